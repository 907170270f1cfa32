"""Predicted outputs: the answer and its emulated times are what they are without, the model takes fewer steps for it, and the usage says how
many tokens of the prediction came."""

import json
import time
import urllib.error

import pytest

from cloud import Metrics, demo_on_two_shards, post

CHAT = {"messages": [{"role": "user", "content": "Tell me a story about a lamp."}], "max_tokens": 120, "seed": 4, "stream": False}


@pytest.fixture(name="url", scope="module")
def serve(tmp_path_factory):
    with demo_on_two_shards(tmp_path_factory.mktemp("prediction"), "kind: stepped") as server:
        yield server.http


def ask(url, **more):
    answer = post(url, "/v1/chat/completions", {**CHAT, **more})
    return answer["choices"][0]["message"]["content"], answer["usage"], answer["time_info"]


def stood(url):
    """Guesses that stood so far; the metrics follow the computing a little later."""
    return Metrics(url).sum("waferline_compute_accepted_tokens_total")


def predicted(text):
    return {"prediction": {"type": "content", "content": text}}


def apart(times):
    """Without the calendar's instant."""
    return {name: value for name, value in times.items() if name != "created"}


@pytest.mark.parametrize("temperature", [0, 0.9])
def test_a_prediction_changes_no_token_and_no_instant(url, temperature):
    plain, usage, times = ask(url, temperature=temperature)
    assert "completion_tokens_details" not in usage
    edited = plain.replace("lamp", "lantern", 1)
    for text in (plain, edited, plain[len(plain) // 2:], "Nothing of the kind was ever said here.", plain + plain):
        before = stood(url)
        same, counted, when = ask(url, temperature=temperature, **predicted(text))
        assert (same, apart(when)) == (plain, apart(times))
        details = counted["completion_tokens_details"]
        assert counted["completion_tokens"] == usage["completion_tokens"]
        accepted, rejected = details["accepted_prediction_tokens"], details["rejected_prediction_tokens"]
        whole = len(post(url, "/tokenize", {"model": "demo", "prompt": text, "add_special_tokens": False})["tokens"])
        assert accepted + rejected == whole
        if text == plain:
            assert accepted > 0.9 * whole
            deadline = time.monotonic() + 60
            while stood(url) - before <= usage["completion_tokens"] / 2:
                assert time.monotonic() < deadline, (before, stood(url))
                time.sleep(0.05)
        if text == edited:
            assert accepted > 0.7 * whole
        if text.startswith("Nothing"):
            assert accepted < 4


def test_parts_and_wrong_predictions(url):
    plain, _, _ = ask(url, temperature=0)
    halves = [{"type": "text", "text": plain[:50]}, {"type": "text", "text": plain[50:]}]
    _, usage, _ = ask(url, temperature=0, prediction={"type": "content", "content": halves})
    assert usage["completion_tokens_details"]["accepted_prediction_tokens"] > 20
    for prediction, field in (({"type": "content"}, "prediction.content"), ({"type": "text", "content": "x"}, "prediction.type"),
                              ({"type": "content", "content": 3}, "prediction.content"), ({"type": "content", "content": "x", "y": 1}, "prediction.y"),
                              ("x", "prediction"), ({"type": "content", "content": "x" * 900_000}, "prediction.content")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(url, prediction=prediction)
        error = json.load(refused.value)["error"]
        assert refused.value.code == 400 and error["param"] == field, error


def test_of_several_answers_the_tokens_add_up(url):
    plain, _, _ = ask(url, temperature=0)
    _, usage, _ = ask(url, temperature=0, n=2, **predicted(plain))
    _, one, _ = ask(url, temperature=0, **predicted(plain))
    for name in ("accepted_prediction_tokens", "rejected_prediction_tokens"):
        assert usage["completion_tokens_details"][name] == 2 * one["completion_tokens_details"][name]
