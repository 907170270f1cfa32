"""The same tokens from one process and from many: prefill worker and shards over TCP, one, two and as many as there are layers.
"""

import json
import pathlib
import sys
import tempfile
import urllib.request

from waferd import ROOT, Waferd, Workers, layer_count

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


def texts(config):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cloud.yaml"
        path.write_text(config)
        with Waferd(path) as server:
            out = []
            for request in REQUESTS:
                body = json.dumps({"model": "waferline-demo", "max_tokens": 40, **request}).encode()
                answer = json.load(urllib.request.urlopen(urllib.request.Request(
                    server.http + "/v1/completions", body, {"Content-Type": "application/json"}), timeout=60))
                choice = answer["choices"][0]
                out.append((choice["text"], choice["logprobs"]))
            return out


def main():
    layers = layer_count(MODEL)
    alone = texts(CONFIG.format(tokens=f"{{from: shards, file: {MODEL}, shards: 1}}"))
    assert all(text for text, _ in alone), alone
    for shards in sorted({1, 2, layers}):
        with Workers(MODEL, layers, shards) as workers:
            spread = texts(CONFIG.format(tokens=workers.tokens))
        assert spread == alone, f"{shards} shards:\n{spread}\n{alone}"
        print(f"{shards} shard processes and a prefill process: the same {len(alone)} texts and log-probabilities")


if __name__ == "__main__":
    sys.exit(main())
