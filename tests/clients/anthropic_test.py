"""PyPI's `anthropic` on /v1/messages of a running waferd."""

import os

import anthropic
import pytest

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
QUESTION = {"role": "user", "content": "Who bakes the bread in the village?"}
WEATHER = {"name": "weather", "description": "The weather of a place.",
           "input_schema": {"type": "object", "properties": {"place": {"type": "string", "maxLength": 20}}, "required": ["place"],
                            "additionalProperties": False}}


@pytest.fixture
def client():
    return anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)


@pytest.fixture
def say(client):
    return lambda **fields: client.messages.create(model=MODEL, **{"messages": [QUESTION], "max_tokens": 60, **fields})


GREEDY = {"extra_body": {"temperature": 0}}


def test_whole_and_streamed_are_the_same(client, say):
    ask = {"system": "You live in Larkhaven.", "extra_body": {"seed": 7, "temperature": 0.8}}
    whole = say(**ask)
    assert whole.stop_reason == "end_turn" and whole.content[0].text
    with client.messages.stream(model=MODEL, messages=[QUESTION], max_tokens=60, **ask) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens and final.usage.input_tokens == whole.usage.input_tokens
    assert final.stop_reason == whole.stop_reason


def test_raw_events_come_in_order(say):
    kinds = [event.type for event in say(stream=True)]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1


def test_tokens_are_counted(client, say):
    counted = client.messages.count_tokens(model=MODEL, messages=[QUESTION], system="You live in Larkhaven.")
    usage = say(system="You live in Larkhaven.").usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_stop_sequences_and_max_tokens(say):
    free = say(**GREEDY).content[0].text
    word = free.split()[3]
    cut = say(stop_sequences=[word], **GREEDY)
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", word)
    assert cut.content[0].text == free[:free.index(word)]
    assert say(max_tokens=2, **GREEDY).stop_reason == "max_tokens"


def test_a_tool_is_used_and_its_result_goes_back(client, say):
    first = say(tools=[WEATHER], tool_choice={"type": "any", "disable_parallel_tool_use": True}, max_tokens=100)
    assert first.stop_reason == "tool_use"
    [use] = first.content
    assert use.name == "weather" and set(use.input) == {"place"}
    messages = [QUESTION, {"role": "assistant", "content": first.content},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "rain"}]}]
    again = say(messages=messages, tools=[WEATHER], tool_choice={"type": "none"})
    assert again.content[0].text
    with client.messages.stream(model=MODEL, messages=[QUESTION], tools=[WEATHER], max_tokens=100,
                                tool_choice={"type": "tool", "name": "weather"}) as stream:
        final = stream.get_final_message()
    assert set(final.content[0].input) == {"place"}


def test_a_cut_use_has_the_same_input_whole_and_streamed(client, say):
    """What the client makes of the pieces of JSON is what the server shows of the whole: members that had ended."""
    two = {"name": "weather", "input_schema": {"type": "object", "properties": {"place": {"type": "string", "maxLength": 12}, "unit": {"enum": ["C", "F"]}},
                                               "required": ["place", "unit"], "additionalProperties": False}}
    ask = {"tools": [two], "tool_choice": {"type": "any"}, **GREEDY}
    uncut = say(max_tokens=100, stop_sequences=["unit"], **ask)  # stops text only
    assert uncut.stop_reason == "tool_use" and set(uncut.content[-1].input) == {"place", "unit"}
    for most in range(uncut.usage.output_tokens - 1, 0, -1):
        whole = say(max_tokens=most, **ask)
        assert whole.stop_reason == "max_tokens"
        if set(whole.content[-1].input) == {"place"}:
            break
    with client.messages.stream(model=MODEL, messages=[QUESTION], max_tokens=most, **ask) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "max_tokens" and final.content[-1].input == whole.content[-1].input
    assert set(whole.content[-1].input) == {"place"}


def test_errors_are_of_the_client_s_classes(client, say):
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="no-such-model", messages=[QUESTION], max_tokens=5)
    assert missing.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError) as long:
        say(messages=[{"role": "user", "content": "word " * 5000}])
    assert "prompt is too long" in long.value.body["error"]["message"]
    with pytest.raises(anthropic.BadRequestError) as bad:
        say(extra_body={"temperature": 1.5})
    assert "'temperature'" in bad.value.body["error"]["message"]
