"""Calls of tools through a live waferd: forced, chosen, streamed, and as history, with arguments that follow their schemas."""

import json
import pathlib
import sys
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import cloud  # noqa: E402

WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a place.", "strict": True,
    "parameters": {"type": "object", "properties": {"place": {"type": "string", "maxLength": 12}, "unit": {"enum": ["C", "F"]}},
                   "required": ["place", "unit"], "additionalProperties": False}}}
TIME = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"place\": \"Larkhaven\", \"unit\": \"C\"}"}}
USER = {"role": "user", "content": "How is it in Larkhaven?"}
MODELS = ("waferline-demo", "llama-3.1-8b")


@pytest.fixture(scope="module")
def server():
    with cloud.Waferd("deploy/config/demo.yaml") as running:
        yield running


def post(server, **fields):
    body = {"model": "waferline-demo", "messages": [USER], "max_tokens": 150, "temperature": 1.2, "seed": 3, **fields}
    request = urllib.request.Request(server.http + "/v1/chat/completions", json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    return urllib.request.urlopen(request, timeout=60)


def choices(server, **fields):
    with post(server, **fields) as reply:
        return json.load(reply)["choices"]


def streamed(server, **fields):
    """The message that a stream's deltas add up to, and its finish reason."""
    content, calls, reason = "", [], None
    with post(server, stream=True, **fields) as reply:
        for line in reply:
            if not line.startswith(b"data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                content += choice["delta"].get("content") or ""
                reason = choice["finish_reason"] or reason
                for part in choice["delta"].get("tool_calls", []):
                    if part["index"] == len(calls):
                        calls.append({"id": part["id"], "type": part["type"], "name": part["function"]["name"], "arguments": ""})
                    calls[part["index"]]["arguments"] += part["function"]["arguments"]
    return content, calls, reason


def check_weather(arguments):
    value = json.loads(arguments)
    assert set(value) == {"place", "unit"} and value["unit"] in ("C", "F") and len(value["place"]) <= 12


def test_a_forced_call_that_is_cut_short_shows_no_marks(server):
    for cut in (1, 2, 5, 12, 20, 40):
        fields = {"model": "llama-3.1-8b", "tools": [WEATHER], "tool_choice": "required", "max_tokens": cut}
        [answer] = choices(server, **fields)
        assert answer["finish_reason"] == "length" and not answer["message"]["content"], answer
        content, calls, reason = streamed(server, **fields)
        assert (content, reason) == ("", "length")
        assert len(calls) == len(answer["message"].get("tool_calls", []))
    assert calls[0]["name"] == "weather" and calls[0]["arguments"].startswith("{")


def test_no_stop_string_cuts_a_call(server):
    """They apply to the text of an answer; arguments that stop in the middle would be of no use."""
    fields = {"model": "llama-3.1-8b", "seed": 1, "tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
    [whole] = choices(server, **fields)
    assert whole["finish_reason"] == "tool_calls"
    [function] = [call["function"] for call in whole["message"]["tool_calls"]]
    check_weather(function["arguments"])
    for stop in (["unit"], ["\n", "}", '"'], function["arguments"][2:5]):
        [same] = choices(server, **fields, stop=stop)
        assert (same["finish_reason"], same["message"]["content"]) == ("tool_calls", None), stop
        assert [call["function"] for call in same["message"]["tool_calls"]] == [function], stop
        content, [streamed_call], reason = streamed(server, **fields, stop=stop)
        assert (content, reason, streamed_call["arguments"]) == ("", "tool_calls", function["arguments"]), stop
    asked = {"model": "llama-3.1-8b", "input": "Hi.", "tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "required", "stop": ["unit"]}
    answer = cloud.post(server.http, "/v1/responses", asked)
    assert (answer["status"], answer["output"][-1]["status"]) == ("completed", "completed")
    check_weather(answer["output"][-1]["arguments"])
    tool = {"name": "weather", "input_schema": WEATHER["function"]["parameters"]}
    asked = {"model": "llama-3.1-8b", "max_tokens": 200, "messages": [USER], "tools": [tool], "tool_choice": {"type": "any"}, "seed": 1}
    whole = cloud.post(server.http, "/v1/messages", asked)
    assert (whole["stop_reason"], set(whole["content"][-1]["input"])) == ("tool_use", {"place", "unit"})
    same = cloud.post(server.http, "/v1/messages", {**asked, "stop_sequences": ["unit"]})
    assert (same["stop_reason"], same["content"][-1]["input"]) == ("tool_use", whole["content"][-1]["input"])


def refused(server, path, body, **headers):
    request = urllib.request.Request(server.http + path, body, {"content-type": "application/json", **headers})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=60)
    return error.value.code, json.loads(error.value.read())


def test_what_no_route_sees_is_refused_in_the_clients_protocol(server):
    cases = ((413, b" " * (5 << 20), {}), (415, b"{}", {"content-encoding": "br"}), (400, b"{}", {"content-encoding": "gzip"}))
    for code, body, headers in cases:
        for path in ("/v1/messages", "/openai/v1/messages"):
            got, reply = refused(server, path, body, **headers)
            kind = "request_too_large" if code == 413 else "invalid_request_error"
            assert (got, reply["type"], reply["error"]["type"]) == (code, "error", kind), reply
        got, reply = refused(server, "/v1/responses", body, **headers)
        assert got == code and "type" not in reply and set(reply["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("choice", ("required", {"type": "function", "function": {"name": "weather"}}))
def test_a_call_that_is_asked_for_comes(server, model, choice):
    for seed in range(5):
        fields = {"model": model, "seed": seed, "tools": [WEATHER, TIME], "tool_choice": choice, "parallel_tool_calls": False}
        [answer] = choices(server, **fields)
        [call] = answer["message"]["tool_calls"]
        assert answer["finish_reason"] == "tool_calls" and answer["message"]["content"] is None
        assert call["id"].startswith("call_") and call["type"] == "function"
        if choice != "required" or call["function"]["name"] == "weather":
            assert call["function"]["name"] == "weather"
            check_weather(call["function"]["arguments"])
        else:
            assert call["function"] == {"name": "clock", "arguments": "{}"}
        content, [same], reason = streamed(server, **fields)
        assert (content, reason) == ("", "tool_calls")
        assert (same["name"], same["arguments"]) == (call["function"]["name"], call["function"]["arguments"])


def test_several_calls_have_their_own_ids(server):
    most = 0
    for seed in range(12):
        # The model would rather end its turn after one call.
        fields = {"seed": seed, "tools": [TIME, WEATHER], "tool_choice": "required", "max_tokens": 400, "logit_bias": {"4": -12}}
        [answer] = choices(server, **fields)
        calls = answer["message"]["tool_calls"]
        assert len({call["id"] for call in calls}) == len(calls)
        _, same, _ = streamed(server, **fields)
        assert [call["name"] for call in same] == [call["function"]["name"] for call in calls]
        most = max(most, len(calls))
    assert most > 1


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_needs_no_parameters(server, model):
    ping = {"type": "function", "function": {"name": "ping"}}
    [choice] = choices(server, model=model, tools=[ping], tool_choice="required", parallel_tool_calls=False)
    [call] = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "ping" and isinstance(json.loads(call["function"]["arguments"]), dict)


def test_a_call_need_not_come(server):
    [answer] = choices(server, tools=[WEATHER])
    message = answer["message"]
    assert message["content"] or message.get("tool_calls")
    content, calls, reason = streamed(server, tools=[WEATHER])
    assert content == (message["content"] or "") and len(calls) == len(message.get("tool_calls", []))
    [answer] = choices(server, tools=[WEATHER], tool_choice="none")
    assert "tool_calls" not in answer["message"] and answer["message"]["content"]


def test_an_answer_may_have_a_form_and_tools(server):
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    [answer] = choices(server, tools=[WEATHER], response_format=form)
    if answer["message"]["content"]:
        assert set(json.loads(answer["message"]["content"])) == {"ok"}
    else:
        check_weather(answer["message"]["tool_calls"][0]["function"]["arguments"])


def test_calls_and_their_answers_go_back_to_the_model(server):
    history = [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]},
               {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
    [answer] = choices(server, messages=history, tools=[WEATHER])
    assert answer["finish_reason"] in ("stop", "length", "tool_calls")
    [answer] = choices(server, messages=history)
    assert answer["message"]["content"]


def test_functions_are_the_older_name_for_it(server):
    fields = {"functions": [WEATHER["function"]], "function_call": {"name": "weather"}}
    [answer] = choices(server, **fields)
    assert answer["finish_reason"] == "function_call"
    assert answer["message"]["function_call"]["name"] == "weather"
    check_weather(answer["message"]["function_call"]["arguments"])
    [again] = choices(server, messages=[USER, answer["message"] | {"content": ""}, {"role": "function", "name": "weather", "content": "sun"}])
    assert again["message"]["content"]


@pytest.mark.parametrize("form", ("llama3_json", "deepseek_v3", "deepseek_v31", "granite", "qwen3_coder", "glm", "pythonic", "lfm2", "gpt_oss"))
def test_a_format_that_is_chosen_gives_the_same_calls_as_json(form):
    with cloud.Waferd("deploy/models/demo.gguf", "--name", "waferline-demo", "--tool-format", form) as server:
        for seed in range(4):
            fields = {"tools": [WEATHER, TIME], "tool_choice": "required", "seed": seed, "max_tokens": 300}
            [answer] = choices(server, **fields)
            calls = answer["message"]["tool_calls"]
            content, same, reason = streamed(server, **fields)
            assert (content, reason) == ("", answer["finish_reason"])
            assert [(call["name"], call["arguments"]) for call in same] == [
                (call["function"]["name"], call["function"]["arguments"]) for call in calls]
            for call in calls[:-1] if reason == "length" else calls:
                if call["function"]["name"] == "weather":
                    check_weather(call["function"]["arguments"])
                else:
                    assert call["function"] == {"name": "clock", "arguments": "{}"}
        [answer] = choices(server, tools=[WEATHER], max_tokens=400)
        message = answer["message"]
        assert message["content"] or message.get("reasoning_content") or message["tool_calls"]
        assert not set("<|[") & set((message["content"] or "")[:1] + message.get("reasoning_content", "")[:1])
        history = [USER, {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": calls[:1]},
                   {"role": "tool", "tool_call_id": calls[0]["id"], "content": "rain"}]
        assert choices(server, messages=history, tools=[WEATHER], max_tokens=5)


def test_a_format_that_is_not_known_is_refused_at_the_start():
    with pytest.raises(RuntimeError, match="tool_format: there is no tool format 'xml', known: hermes, llama3_json"):
        with cloud.Waferd("deploy/models/demo.gguf", "--tool-format", "xml"):
            pass


def test_what_is_wrong_is_named(server):
    def tool(**function):
        return [{"type": "function", "function": function}]
    for fields, param in (({"tools": tool(description="x")}, "tools[0].function.name"),
                          ({"tools": tool(name="a b")}, "tools[0].function.name"),
                          ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
                          ({"tools": tool(name="f", parameters={"type": "array"})}, "tools[0].function.parameters"),
                          ({"tools": tool(name="f", parameters={"type": "object", "not": {"propertyNames": {"minLength": 2}}})}, "tools"),
                          ({"tools": tool(name="f", colour=1)}, "tools[0].function.colour"),
                          ({"tools": [TIME, TIME]}, "tools[1].function.name"),
                          ({"tools": [TIME], "tool_choice": "weather"}, "tool_choice"),
                          ({"tools": [TIME], "tool_choice": WEATHER}, "tool_choice"),
                          ({"tool_choice": "required"}, "tool_choice"),
                          ({"tools": [TIME], "function_call": "auto"}, "function_call"),
                          ({"messages": [USER, {"role": "robot", "content": ""}]}, "messages[1].role"),
                          ({"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]}, "messages[1].tool_calls[0]"),
                          ({"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "id": 5}]}]}, "messages[1].tool_calls[0].id"),
                          ({"messages": [USER, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]}, "messages[1]"),
                          ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]},
                                         {"role": "tool", "tool_call_id": "call_2", "content": "rain"}]}, "messages[2]")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(server, **fields)
        error = json.load(refused.value)["error"]
        assert refused.value.code == 400 and error["param"] == param, (fields, error)
