"""PyPI's `openai` on /v1/responses of a running waferd."""

import json
import os
import typing

import openai
import pydantic
import pytest

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
QUESTION = "Who bakes the bread in the village?"
WEATHER = {"type": "function", "name": "weather", "strict": True,
           "parameters": {"type": "object", "properties": {"place": {"type": "string", "maxLength": 20}}, "required": ["place"],
                          "additionalProperties": False}}


class Villager(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=1, le=99)
    trade: typing.Literal["baker", "smith", "miller"]


@pytest.fixture
def client():
    return openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)


@pytest.fixture
def respond(client):
    return lambda **fields: client.responses.create(model=MODEL, **{"input": QUESTION, "max_output_tokens": 60, **fields})


def test_whole_and_streamed_are_the_same(respond):
    ask = {"instructions": "You live in Larkhaven.", "temperature": 0.8, "extra_body": {"seed": 7}}
    whole = respond(**ask)
    assert whole.status == "completed" and whole.output_text
    events = list(respond(stream=True, **ask))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[1].type, events[-1].type] == ["response.created", "response.in_progress", "response.completed"]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    final = events[-1].response
    assert final.output_text == whole.output_text and final.usage == whole.usage
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens


def test_the_stream_runner_puts_the_response_together(client):
    with client.responses.stream(model=MODEL, input=QUESTION, max_output_tokens=40) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == text


def test_too_few_tokens_are_an_incomplete_response(respond):
    cut = respond(max_output_tokens=2, temperature=0)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"


def test_parse_gives_a_pydantic_object(client):
    for seed in range(3):
        parsed = client.responses.parse(model=MODEL, input=QUESTION, text_format=Villager, temperature=1.2, max_output_tokens=200,
                                        extra_body={"seed": seed})
        assert isinstance(parsed.output_parsed, Villager)


def test_a_stored_responses_input_can_be_listed(client, respond):
    first = respond(input=[{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Anna."}, {"role": "user", "content": "Since when?"}])
    items = list(client.responses.input_items.list(first.id, order="asc", limit=2))
    assert [(item.role, item.content[0].text) for item in items] == [("user", QUESTION), ("assistant", "Anna."), ("user", "Since when?")]
    assert [item.id for item in client.responses.input_items.list(first.id)] == [item.id for item in items][::-1]
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list("resp_none")


def test_json_objects(respond):
    answer = respond(text={"format": {"type": "json_object"}}, max_output_tokens=300, extra_body={"seed": 3})
    if answer.status == "completed":
        assert isinstance(json.loads(answer.output_text), dict)
    else:
        assert answer.output_text.startswith("{")


def test_a_tool_is_called_and_its_output_goes_back(client, respond):
    first = respond(tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, max_output_tokens=100, extra_body={"seed": 2})
    [call] = first.output
    assert call.type == "function_call" and set(json.loads(call.arguments)) == {"place"}
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    stateless = respond(input=[{"role": "user", "content": QUESTION}, *first.output, output], tools=[WEATHER], tool_choice="none",
                        temperature=0)
    stored = respond(input=[output], previous_response_id=first.id, tools=[WEATHER], tool_choice="none", temperature=0)
    assert stateless.output_text and stored.output_text == stateless.output_text
    assert stored.usage.input_tokens == stateless.usage.input_tokens


def test_streamed_calls_add_up(client):
    with client.responses.stream(model=MODEL, input=QUESTION, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False,
                                 max_output_tokens=100) as stream:
        kinds = {event.type for event in stream}
        [call] = stream.get_final_response().output
    assert {"response.function_call_arguments.delta", "response.function_call_arguments.done"} <= kinds
    assert set(call.parsed_arguments) == {"place"}


def test_stored_responses_are_read_and_deleted(client, respond):
    stored = respond()
    assert client.responses.retrieve(stored.id).output_text == stored.output_text
    client.responses.delete(stored.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(stored.id)
    with pytest.raises(openai.BadRequestError) as gone:
        respond(previous_response_id=stored.id)
    assert gone.value.code == "previous_response_not_found" and gone.value.param == "previous_response_id"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(respond(store=False).id)


@pytest.mark.parametrize("fields, param", (
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"), ({"background": True}, "background"), ({"truncation": "auto"}, "truncation"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"), ({"temperature": 9}, "temperature")))
def test_what_is_not_supported_is_named(respond, fields, param):
    with pytest.raises(openai.BadRequestError) as bad:
        respond(**fields)
    assert bad.value.param == param
