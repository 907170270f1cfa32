"""Speculation changes no token: one model served without it, with guesses from its own text, and with guesses of the draft model.

Greedy and sampled, the texts and log-probabilities are the same, and /metrics says that guesses were made and stood.
"""

import pytest

from cloud import ROOT, Metrics, Waferd, demo_with, post

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


@pytest.fixture(name="served", scope="module")
def serve_each_way(tmp_path_factory):
    """({way: answers}, metrics) of the same requests."""
    models = ROOT / "deploy/models"
    config = tmp_path_factory.mktemp("speculation") / "speculation.yaml"
    config.write_text("clock: {kind: real, scale: 1000}\nmodels:" + "".join(
        MODEL.format(name=name, models=models, speculation=way.format(models=models)) for name, way in WAYS.items()))
    with Waferd(config) as server:
        return {name: list(answers(server.http, name)) for name in WAYS}, Metrics(server.http)


@pytest.mark.parametrize("way", ("lookup", "draft"))
def test_a_guess_changes_no_token(served, way):
    texts, _ = served
    assert texts[way] == texts["off"]


@pytest.mark.parametrize("way", WAYS)
def test_guesses_are_counted(served, way):
    _, metrics = served
    drafted, accepted = (metrics.sum(f"waferline_compute_{what}_tokens_total", model_name=way) for what in ("drafted", "accepted"))
    assert drafted >= accepted
    assert (accepted > 0) == (way != "off")


def refused_draft(folder, draft):
    config = folder / "draft.yaml"
    models = ROOT / "deploy/models"
    config.write_text("models:" + MODEL.format(name="drafted", models=models, speculation=f"draft, draft_file: {draft}"))
    with pytest.raises(RuntimeError) as refused, Waferd(config):
        pass
    return str(refused.value)


def test_a_draft_with_another_vocabulary_is_refused_by_the_first_difference(tmp_path):
    log = refused_draft(tmp_path, demo_with(tmp_path, b"lighthouse", b"lighthousE"))
    assert f"draft_file: {tmp_path}/edited.gguf has another vocabulary than the model it drafts for: token " in log
    assert 'lighthousE" instead of ' in log
