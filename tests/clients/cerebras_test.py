"""PyPI's `cerebras_cloud_sdk` against a running waferd."""

import os

import pytest
from cerebras.cloud import sdk

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
MESSAGES = [{"role": "user", "content": "Who bakes the bread in the village?"}]


@pytest.fixture
def client():
    return sdk.Cerebras(base_url=URL, api_key="none", max_retries=0)


def check_times(times):
    assert times.queue_time + times.prompt_time + times.completion_time == pytest.approx(times.total_time, rel=0, abs=0.5e-6)
    assert times.completion_time > 0


def test_models(client):
    assert MODEL in [model.id for model in client.models.list().data]


def test_chat_whole_and_streamed(client):
    ask = {"model": MODEL, "messages": MESSAGES, "max_completion_tokens": 20, "seed": 7}
    whole = client.chat.completions.create(**ask)
    check_times(whole.time_info)
    text, times = "", None
    for chunk in client.chat.completions.create(stream=True, **ask):
        for choice in chunk.choices or []:
            text += choice.delta.content or ""
        times = chunk.time_info or times
    assert text == whole.choices[0].message.content
    check_times(times)


def test_completion(client):
    reply = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=10, seed=1)
    assert len(reply.choices[0].text) > 0
    assert reply.usage.completion_tokens <= 10


def test_an_unknown_model_is_a_not_found_error(client):
    with pytest.raises(sdk.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)


def test_a_bad_field_is_a_bad_request_error(client):
    with pytest.raises(sdk.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=9)
