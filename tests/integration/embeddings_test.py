"""/v1/embeddings of a real waferd: the same bits alone and in a batch, on one shard, on two, and on worker processes."""

import base64
import json
import math
import struct
import urllib.error
import urllib.request

from cloud import ROOT, Waferd, Workers

MODEL = ROOT / "deploy/models/demo.gguf"
CONFIG = """clock: {{kind: real, scale: 100}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 512
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {tokens}
"""
TEXTS = ["The baker lives in Larkhaven.", "Who bakes the bread?", "a", "The smith shoes a horse, and the miller grinds the corn. " * 8]


def ask(server, **fields):
    request = urllib.request.Request(server.http + "/v1/embeddings", json.dumps({"model": "m", **fields}).encode(),
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def vectors(server, texts, **fields):
    code, answer = ask(server, input=texts, encoding_format="base64", **fields)
    assert code == 200, answer
    assert [entry["index"] for entry in answer["data"]] == list(range(len(answer["data"])))
    return [base64.b64decode(entry["embedding"]) for entry in answer["data"]]


def serve(folder, tokens):
    path = folder / "embeddings.yaml"
    path.write_text(CONFIG.format(tokens=tokens))
    return Waferd(path)


def test_the_same_bits_anywhere(tmp_path):
    seen = []
    for tokens in (f"{{from: shards, file: {MODEL}, shards: 1, prefill_chunk: 256}}",
                   f"{{from: shards, file: {MODEL}, shards: 2, threads: 1, prefill_chunk: 7}}"):
        with serve(tmp_path, tokens) as server:
            seen.append([vectors(server, text)[0] for text in TEXTS])
            assert vectors(server, TEXTS) == seen[-1]
            assert vectors(server, TEXTS[::-1] * 20) == seen[-1][::-1] * 20
    with Workers(MODEL, 4, 2) as workers, serve(tmp_path, workers.tokens) as server:
        seen.append(vectors(server, TEXTS))
    assert seen[0] == seen[1] == seen[2]


def test_forms_labels_and_usage(tmp_path):
    with serve(tmp_path, f"{{from: shards, file: {MODEL}}}") as server:
        code, answer = ask(server, input=TEXTS[0])
        assert code == 200 and answer["object"] == "list" and answer["waferline"]["pooling"] == "mean"
        [entry] = answer["data"]
        packed = vectors(server, TEXTS[0])[0]
        assert entry["embedding"] == [json.loads(json.dumps(x)) for x in struct.unpack(f"<{len(packed) // 4}f", packed)] or all(
            abs(a - b) < 1e-7 for a, b in zip(entry["embedding"], struct.unpack(f"<{len(packed) // 4}f", packed)))
        assert abs(math.hypot(*entry["embedding"]) - 1) < 1e-5
        last = ask(server, input=TEXTS[0], pooling="last")[1]
        assert last["waferline"]["pooling"] == "last" and last["data"][0]["embedding"] != entry["embedding"]
        # A text and its tokens have the same vector.
        request = urllib.request.Request(server.http + "/tokenize", json.dumps({"model": "m", "prompt": TEXTS[0]}).encode(),
                                         {"content-type": "application/json"})
        ids = json.load(urllib.request.urlopen(request))["tokens"]
        assert vectors(server, ids) == vectors(server, [ids]) == [packed]
        assert answer["usage"] == {"prompt_tokens": len(ids), "total_tokens": len(ids)}
        # One token's mean is its last row.
        assert vectors(server, [ids[:1]]) == vectors(server, [ids[:1]], pooling="last")
        models = json.load(urllib.request.urlopen(server.http + "/v1/models"))["data"]
        assert models[0]["waferline"]["embeddings"] == ["mean", "last"]
        assert len(ask(server, input=["a"] * 256)[1]["data"]) == 256
        for fields, param in (({"input": ["a"] * 257}, "input"), ({"input": "a", "dimensions": 8}, "dimensions"),
                              ({"input": "x " * 4000}, "input"), ({"input": [99999999]}, "input")):
            code, error = ask(server, **fields)
            assert code == 400 and error["error"]["param"].startswith(param), error


def test_a_model_without_weights_gives_none(tmp_path):
    with serve(tmp_path, f"{{from: cheap, file: {MODEL}}}") as server:
        code, error = ask(server, input="a")
        assert code == 404 and error["error"]["code"] == "model_not_found" and "has no weights here" in error["error"]["message"]
        models = json.load(urllib.request.urlopen(server.http + "/v1/models"))["data"]
        assert models[0]["waferline"]["embeddings"] == []
