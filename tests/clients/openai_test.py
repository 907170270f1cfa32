"""PyPI's `openai` against a running waferd."""

import asyncio
import json
import math
import os
import re
import textwrap
import time
import typing

import openai
import pydantic
import pytest

from cloud import ROOT, Metrics, post

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
MESSAGES = [{"role": "system", "content": "You live in Larkhaven."},
            {"role": "user", "content": "Who bakes the bread in the village?"}]


@pytest.fixture
def client():
    return openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)


@pytest.fixture
def chat(client):
    return lambda **fields: client.chat.completions.create(model=MODEL, messages=MESSAGES, **fields)


@pytest.fixture
def complete(client):
    return lambda **fields: client.completions.create(model=MODEL, **fields)


def cancelled():
    return Metrics(URL).sum("waferline_requests_finished_total", reason="cancelled")


def test_models(client):
    listed = [model.id for model in client.models.list()]
    assert MODEL in listed
    assert client.models.retrieve(MODEL).id == MODEL


def test_chat_whole_and_streamed(chat):
    ask = {"max_tokens": 30, "seed": 7, "temperature": 0.8}
    whole = chat(**ask)
    text, usage, reasons = "", None, []
    for chunk in chat(stream=True, stream_options={"include_usage": True}, **ask):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
        usage = chunk.usage or usage
    assert text == whole.choices[0].message.content
    assert reasons == [whole.choices[0].finish_reason]
    assert usage.completion_tokens == whole.usage.completion_tokens
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_completion_whole_and_streamed(complete):
    ask = {"prompt": "Once upon a time", "max_tokens": 20, "seed": 3}
    whole = complete(**ask)
    streamed = "".join(chunk.choices[0].text for chunk in complete(stream=True, **ask))
    assert streamed == whole.choices[0].text


def test_token_ids_as_prompt(complete):
    """Text and its token ids are the same prompt."""
    ids = post(URL, "/tokenize", {"model": MODEL, "prompt": "The baker"})["tokens"]
    by_text = complete(prompt="The baker", max_tokens=8, seed=4)
    by_ids = complete(prompt=ids, max_tokens=8, seed=4)
    assert by_text.choices[0].text == by_ids.choices[0].text
    assert by_text.usage.prompt_tokens == len(ids)


def test_logprobs(chat):
    greedy = chat(max_tokens=8, temperature=0, logprobs=True, top_logprobs=5)
    for token in greedy.choices[0].logprobs.content:
        assert token.token == token.top_logprobs[0].token  # greedy takes the likeliest
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob, rel=0, abs=0.5e-5)
        assert sum(math.exp(top.logprob) for top in token.top_logprobs) <= 1 + 1e-4


def test_prompt_logprobs_without_generating(complete):
    """echo with max_tokens 0, as evaluation harnesses ask."""
    reply = complete(prompt="The baker bakes bread.", max_tokens=0, echo=True, logprobs=1)
    choice = reply.choices[0]
    assert choice.text == "The baker bakes bread."
    assert len(choice.logprobs.tokens) == reply.usage.prompt_tokens
    assert reply.usage.completion_tokens == 0
    assert choice.logprobs.token_logprobs[0] is None
    assert all(value <= 0 for value in choice.logprobs.token_logprobs[1:])


def test_seed_stop_and_n(complete):
    ask = {"prompt": "In the morning", "max_tokens": 30, "temperature": 1}
    assert complete(seed=1, **ask).choices[0].text == complete(seed=1, **ask).choices[0].text
    two = complete(seed=1, n=2, **ask)
    assert [choice.index for choice in two.choices] == [0, 1]
    assert two.choices[0].text == complete(seed=1, **ask).choices[0].text
    assert two.choices[0].text != two.choices[1].text
    stopped = complete(seed=1, stop=["."], **{**ask, "max_tokens": 100})
    assert "." not in stopped.choices[0].text


def test_an_unknown_model_is_a_not_found_error(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize("param, value", (("temperature", 9), ("response_format", {"type": "json_schema"}), ("logit_bias", {"99999999": 1})))
def test_a_bad_field_is_named(chat, param, value):
    with pytest.raises(openai.BadRequestError) as bad:
        chat(**{param: value})
    assert bad.value.param.split(".")[0] == param


def test_a_prompt_that_is_too_long_has_its_code(complete):
    with pytest.raises(openai.BadRequestError) as long:
        complete(prompt="word " * 50_000)
    assert long.value.code == "context_length_exceeded"


def test_leaving_cancels(complete):
    before = cancelled()
    stream = complete(prompt="Once upon a time", max_tokens=400, stream=True, extra_body={"ignore_eos": True})
    for count, _ in enumerate(stream):
        if count == 2:
            break
    stream.close()
    deadline = time.monotonic() + 10
    while cancelled() <= before:
        assert time.monotonic() < deadline, "not counted as cancelled"
        time.sleep(0.05)


def test_async_client():
    async def many():
        client = openai.AsyncOpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
        async with client:
            return await asyncio.gather(*(client.chat.completions.create(
                model=MODEL, messages=MESSAGES, max_tokens=8, seed=seed) for seed in range(8)))
    replies = asyncio.run(many())
    assert len({reply.id for reply in replies}) == 8


class Villager(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=1, le=99)
    trade: typing.Literal["baker", "smith", "miller"]
    friend: typing.Optional[str] = pydantic.Field(max_length=20)


WEATHER = {"type": "function", "function": {
    "name": "weather", "strict": True,
    "parameters": {"type": "object", "properties": {"place": {"type": "string", "maxLength": 20}}, "required": ["place"],
                   "additionalProperties": False}}}


def test_parse_gives_a_pydantic_object(client):
    for seed in range(3):
        parsed = client.chat.completions.parse(model=MODEL, messages=MESSAGES, response_format=Villager, temperature=1.2, seed=seed,
                                               max_tokens=200)
        assert isinstance(parsed.choices[0].message.parsed, Villager)


def test_a_tool_is_called_and_its_answer_goes_back(client, chat):
    first = chat(tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, max_tokens=100, seed=2).choices[0]
    assert first.finish_reason == "tool_calls"
    [call] = first.message.tool_calls
    assert call.function.name == "weather" and set(json.loads(call.function.arguments)) == {"place"}
    messages = MESSAGES + [first.message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    again = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], tool_choice="none", max_tokens=20)
    assert again.choices[0].message.content


def tool(name, **parameters):
    return {"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "properties": {key: {"type": kind} for key, kind in parameters.items()}, "required": list(parameters)}}}


@pytest.mark.parametrize("question, name, arguments, result, says", [
    ("What is the weather at the harbour?", "get_weather", {"place": "the harbour"}, '{"weather": "foggy", "degrees": 12}', "foggy"),
    ("What is 3 + 4?", "add", {"a": 3, "b": 4}, "7", "7"),
    ("Who is the baker?", None, None, None, "Ines"),
])
def test_the_demo_model_uses_a_tool_where_it_helps(client, question, name, arguments, result, says):
    messages = [{"role": "user", "content": question}]
    ask = {"model": MODEL, "tools": [tool("get_weather", place="string"), tool("add", a="number", b="number")], "temperature": 0}
    choice = client.chat.completions.create(messages=messages, tool_choice="auto", **ask).choices[0]
    if name:
        assert choice.finish_reason == "tool_calls"
        [call] = choice.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == (name, arguments)
        messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": result}]
        choice = client.chat.completions.create(messages=messages, **ask).choices[0]
    assert choice.finish_reason == "stop" and not choice.message.tool_calls and says in choice.message.content


def test_the_demo_model_gives_json_five_names_and_its_limits(client):
    def answer(text):
        ask = {"model": MODEL, "messages": [{"role": "user", "content": text}], "temperature": 0}
        return client.chat.completions.create(**ask).choices[0].message.content

    assert json.loads(answer("Who keeps the lighthouse? Answer as JSON with name and trade.")) == {"name": "Ada", "trade": "lighthouse keeper"}
    names = re.findall(r"[A-Z][a-z]+", answer("Name five villagers."))
    assert len(names) == len(set(names)) == 5
    assert "small demo model" in answer("What is the capital of France?")


def test_streamed_calls_add_up(client):
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES, tools=[WEATHER], tool_choice="required",
                                        parallel_tool_calls=False, max_tokens=100, seed=2) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds
    assert set(final.choices[0].message.tool_calls[0].function.parsed_arguments) == {"place"}


def test_the_client_of_the_readme_gets_an_answer(capsys):
    text = (ROOT / "README.md").read_text()
    snippet = textwrap.dedent(re.search(r"^    from openai import OpenAI\n(?:    .*\n)+", text, re.M)[0])
    exec(snippet.replace("http://127.0.0.1:8080", URL), {})  # pylint: disable=exec-used
    assert len(capsys.readouterr().out) > 20
