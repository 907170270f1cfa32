"""The same tokens from one process and from many: prefill worker and shards over TCP, one, two and as many as there are layers.
"""

import pytest

from cloud import ROOT, Waferd, Workers, layer_count, post

MODEL = ROOT / "deploy/models/demo.gguf"
CONFIG = """clock: {{kind: real, scale: 1000}}
models:
  - name: waferline-demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""
REQUESTS = [{"prompt": "Once there was a baker who", "temperature": 0},
            {"prompt": "The storm came over the harbour. " * 12, "temperature": 0.9, "seed": 7, "top_k": 40},
            {"prompt": "In the workshop", "temperature": 1.1, "seed": 8, "repetition_penalty": 1.2, "logprobs": 2}]


def texts(folder, tokens):
    config = folder / "cloud.yaml"
    config.write_text(CONFIG.format(tokens=tokens))
    with Waferd(config) as server:
        answers = [post(server.http, "/v1/completions", {"model": "waferline-demo", "max_tokens": 40, **request}) for request in REQUESTS]
    return [(answer["choices"][0]["text"], answer["choices"][0]["logprobs"]) for answer in answers]


@pytest.fixture(name="alone", scope="module")
def one_process(tmp_path_factory):
    found = texts(tmp_path_factory.mktemp("alone"), f"{{from: shards, file: {MODEL}, shards: 1}}")
    assert all(text for text, _ in found), found
    return found


@pytest.mark.parametrize("shards", (1, 2, "one a layer"))
def test_shard_processes_give_the_same_texts_and_log_probabilities(alone, shards, tmp_path):
    layers = layer_count(MODEL)
    with Workers(MODEL, layers, layers if shards == "one a layer" else shards) as workers:
        assert texts(tmp_path, workers.tokens) == alone
