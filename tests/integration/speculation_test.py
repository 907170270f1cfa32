"""Speculation changes no token: one model served without it, with guesses from its own text, and with guesses of the draft model.

Greedy and sampled, the texts and log-probabilities are the same, and /metrics says that guesses were made and stood.
"""

import pathlib
import sys
import tempfile

from openai_http import Metrics, post
from waferd import ROOT, Waferd

MODEL = """
  - name: {name}
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: shards, file: {models}/demo.gguf, shards: 2, speculation: {speculation}}}
"""
WAYS = {"off": "off", "lookup": "lookup", "draft": "draft, draft_file: {models}/draft.gguf"}
PROMPTS = ["Once upon a time Ada kept the lighthouse. Once upon a time Ada kept", "The fox found a lamp and", "One morning"]


def answers(url, model):
    for prompt in PROMPTS:
        for temperature in (0, 0.8):
            body = {"model": model, "prompt": prompt, "max_tokens": 60, "temperature": temperature, "seed": 5, "logprobs": 2}
            choice = post(url, "/v1/completions", body)["choices"][0]
            yield choice["text"], choice["logprobs"], choice["finish_reason"]


def main():
    models = ROOT / "deploy/models"
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "speculation.yaml"
        config.write_text("clock: {kind: real, scale: 1000}\nmodels:" + "".join(
            MODEL.format(name=name, models=models, speculation=way.format(models=models)) for name, way in WAYS.items()))
        with Waferd(config) as server:
            texts = {name: list(answers(server.http, name)) for name in WAYS}
            metrics = Metrics(server.http)
    assert texts["lookup"] == texts["off"], "lookup changed a token"
    assert texts["draft"] == texts["off"], "the draft model changed a token"
    for name in WAYS:
        drafted, accepted = (metrics.sum(f"waferline_compute_{what}_tokens_total", model_name=name) for what in ("drafted", "accepted"))
        print(f"{name}: {accepted:.0f} of {drafted:.0f} guesses stood")
        assert drafted >= accepted, name
        assert (accepted > 0) == (name != "off"), name


if __name__ == "__main__":
    sys.exit(main())
