"""Chats over gRPC say what they say over HTTP: calls of tools, their history, reasoning and predicted outputs, streamed or not."""

import json
import urllib.error

import pytest

import grpc_doors
from cloud import ROOT, Waferd, post
from reasoning_test import BODY as REASONED
from reasoning_test import config as thinker
from tools_test import TIME, USER
from tools_test import WEATHER as STRICT

SERVICE = "waferline.v1.InferenceService/"
ROLES = {"system": 1, "user": 2, "assistant": 3, "tool": 4}
DEMO, STAND_IN = "waferline-demo", "llama-3.1-8b"
# As both doors write it into the prompt.
WEATHER = {"type": "function", "function": {name: STRICT["function"][name] for name in ("name", "description", "parameters")}}


@pytest.fixture(scope="module", name="pb")
def load_messages(tmp_path_factory):
    grpc_doors.load(tmp_path_factory.mktemp("grpc"))
    from waferline.v1 import inference_pb2
    return inference_pb2


@pytest.fixture(scope="module", name="server")
def serve(pb):
    with Waferd("deploy/config/demo.yaml") as running, grpc_doors.GrpcDoors(running.grpc) as doors:
        running.calls = doors
        yield running


def request_of(pb, body):
    """The body of a chat over HTTP as a message."""
    request = pb.GenerateRequest(model=body["model"], prediction=body.get("prediction", {}).get("content", ""))
    request.sampling.temperature = body["temperature"]
    if "seed" in body:
        request.sampling.seed = body["seed"]
    request.stop.max_tokens = body["max_tokens"]
    request.stop.strings.extend(body.get("stop", []))
    for message in body["messages"]:
        out = request.chat.messages.add(role=ROLES[message["role"]], content=message["content"] or "", tool_call_id=message.get("tool_call_id", ""))
        for call in message.get("tool_calls", []):
            out.tool_calls.add(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
    for tool in body.get("tools", []):
        function = tool["function"]
        request.chat.tools.add(name=function["name"], description=function.get("description", ""), parameters=json.dumps(function["parameters"]))
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        request.chat.tool_function = choice["function"]["name"]
    else:
        request.chat.tool_choice = {"auto": 1, "none": 2, "required": 3}[choice]
    if "parallel_tool_calls" in body:
        request.chat.parallel_tool_calls = body["parallel_tool_calls"]
    if "thinking_budget" in body:
        request.chat.reasoning.budget_tokens = body["thinking_budget"]
    return request


def over_http(server, body):
    answer = post(server.http, "/v1/chat/completions", body)
    [choice] = answer["choices"]
    message = choice["message"]
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])]
    return {"text": message["content"] or "", "reasoning": message.get("reasoning_content", ""), "calls": calls, "reason": choice["finish_reason"]}


def over_grpc(server, pb, body):
    once = server.calls.ask(SERVICE + "GenerateOnce", pb.GenerateOnceRequest(request=request_of(pb, body)), pb.GenerateOnceResponse)
    assert len({call.id for call in once.tool_calls}) == len(once.tool_calls)
    answer = {"text": once.text, "reasoning": once.reasoning, "calls": [(call.name, call.arguments) for call in once.tool_calls],
              "reason": pb.FinishReason.Name(once.finished.reason).removeprefix("FINISH_REASON_").lower()}
    assert streamed(server, pb, body) == answer
    return answer, once.finished


def streamed(server, pb, body):
    answer = {"text": "", "reasoning": "", "calls": [], "reason": ""}
    for event in server.calls.stream(SERVICE + "Generate", request_of(pb, body), pb.GenerateResponse):
        for part in [*event.tokens.tokens, *([event.finished] if event.HasField("finished") else [])]:
            answer["text"] += part.text
            answer["reasoning"] += part.reasoning
            for call in part.tool_calls:
                if call.index == len(answer["calls"]):
                    assert call.id and call.name
                    answer["calls"].append(("", ""))
                name, arguments = answer["calls"][call.index]
                answer["calls"][call.index] = (name + call.name, arguments + call.arguments)
    answer["reason"] = pb.FinishReason.Name(event.finished.reason).removeprefix("FINISH_REASON_").lower()
    return answer


@pytest.mark.parametrize("model", [DEMO, STAND_IN])
@pytest.mark.parametrize("more", [{"tool_choice": "required"}, {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
                                  {"tool_choice": "required", "parallel_tool_calls": False}, {"tool_choice": "required", "max_tokens": 12},
                                  {"tool_choice": "required", "stop": ["place"]}, {},
                                  {"tool_choice": "none"}],
                         ids=["required", "named", "one call", "cut short", "stopped", "auto", "none"])
def test_tools_are_called_as_over_http(server, pb, model, more):
    for question in (USER["content"], "What time is it?", "Tell me a story about rain."):
        # Greedy: a seed draws other numbers over HTTP, where it is that of all choices.
        messages = [{"role": "user", "content": question}]
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 120, "seed": 1, "tools": [WEATHER, TIME], **more}
        answer, _ = over_grpc(server, pb, body)
        assert answer == over_http(server, body)
        if "tool_choice" in more and "max_tokens" not in more and more["tool_choice"] != "none":
            assert answer["reason"] == "tool_calls" and answer["calls"], answer


def test_calls_and_their_results_are_history(server, pb):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Larkhaven", "unit": "C"}'}}
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
                {"role": "user", "content": "And in the evening?"}]
    body = {"model": DEMO, "messages": messages, "temperature": 0, "max_tokens": 20, "tools": [WEATHER]}
    answer, finished = over_grpc(server, pb, body)
    assert answer == over_http(server, body)
    shorter, without = over_grpc(server, pb, {**body, "messages": [USER]})
    assert finished.usage.prompt_tokens > without.usage.prompt_tokens + 20


@pytest.mark.parametrize("change, field", [
    (lambda chat: chat.tools.add(name="a b"), "chat.tools[0].name"),
    (lambda chat: chat.tools.add(name="f", parameters="{"), "chat.tools[0].parameters"),
    (lambda chat: chat.tools.add(name="f", parameters='{"type":"array"}'), "chat.tools[0].parameters"),
    (lambda chat: [chat.tools.add(name="f"), chat.tools.add(name="f")], "chat.tools[1].name"),
    (lambda chat: [chat.tools.add(name="f", parameters='{"properties":{"x":{"pattern":"(?<a>b)\\\\k<a>"}}}')], "chat.tools"),
    (lambda chat: setattr(chat, "tool_choice", 3), "chat.tool_choice"),
    (lambda chat: setattr(chat, "tool_function", "f"), "chat.tool_function"),
    (lambda chat: chat.messages.add(role=2, content="x").tool_calls.add(name="f"), "chat.messages[1].tool_calls"),
    (lambda chat: chat.messages.add(role=9, content="x"), "chat.messages[1].role"),
    (lambda chat: chat.messages.add(role=4, content="x", tool_call_id="call_1"), "chat.messages[1]"),
    (lambda chat: setattr(chat.reasoning, "effort", "high"), "chat.reasoning.effort"),
    (lambda chat: setattr(chat.reasoning, "budget_tokens", 3), "chat.reasoning.budget_tokens"),
])
def test_what_is_wrong_is_named(server, pb, change, field):
    request = pb.GenerateRequest(model=DEMO)
    request.chat.messages.add(role=2, content="Hello.")
    request.stop.max_tokens = 4
    change(request.chat)
    code, text = server.calls.refusal(SERVICE + "GenerateOnce", pb.GenerateOnceRequest(request=request), pb.GenerateOnceResponse)
    assert code == "INVALID_ARGUMENT" and text.startswith(field), text


def test_reasoning_is_apart(pb, tmp_path):
    with Waferd(thinker(tmp_path)) as server, grpc_doors.GrpcDoors(server.grpc) as doors:
        server.calls = doors
        answer, finished = over_grpc(server, pb, REASONED)
        assert answer == over_http(server, REASONED) and answer["reasoning"]
        assert finished.usage.reasoning_tokens == 8
        # Its vocabulary has no token that ends the reasoning, so there is no budget, over either door.
        request = request_of(pb, {**REASONED, "thinking_budget": 5})
        code, text = doors.refusal(SERVICE + "GenerateOnce", pb.GenerateOnceRequest(request=request), pb.GenerateOnceResponse)
        assert code == "INVALID_ARGUMENT" and text.startswith("chat.reasoning.budget_tokens: is not supported here"), text
        with pytest.raises(urllib.error.HTTPError):
            over_http(server, {**REASONED, "thinking_budget": 5})
        quiet = request_of(pb, REASONED)
        quiet.chat.reasoning.include_text = False
        once = doors.ask(SERVICE + "GenerateOnce", pb.GenerateOnceRequest(request=quiet), pb.GenerateOnceResponse)
        assert once.reasoning == "" and once.finished.usage.reasoning_tokens == 8


def test_predicted_outputs_are_counted_alike(server, pb):
    body = {"model": DEMO, "messages": [{"role": "user", "content": "Who is the baker of Larkhaven?"}], "temperature": 0, "max_tokens": 40}
    plain = over_http(server, body)
    body["prediction"] = {"type": "content", "content": plain["text"]}
    details = post(server.http, "/v1/chat/completions", body)["usage"]["completion_tokens_details"]
    answer, finished = over_grpc(server, pb, body)
    assert answer == plain
    assert finished.usage.accepted_prediction_tokens == details["accepted_prediction_tokens"] > 0
    assert finished.usage.rejected_prediction_tokens == details["rejected_prediction_tokens"]


def test_a_request_that_names_no_temperature_has_its_models(pb):
    """0 here: then no seed changes an answer, and a greedy request has the same one."""
    with Waferd("deploy/config/demo.yaml", "--set", "models.0.tokens.temperature=0") as server, grpc_doors.GrpcDoors(server.grpc) as doors:
        ask = {"model": DEMO, "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 40}
        greedy = over_http(server, {**ask, "temperature": 0})["text"]
        for seed in range(3):
            assert over_http(server, {**ask, "seed": seed})["text"] == greedy
            assert post(server.http, "/v1/messages", {**ask, "seed": seed})["content"][0]["text"] == greedy
            request = request_of(pb, {**ask, "temperature": 0, "seed": seed})
            request.sampling.ClearField("temperature")
            assert doors.ask(SERVICE + "GenerateOnce", pb.GenerateOnceRequest(request=request), pb.GenerateOnceResponse).text == greedy
        assert over_http(server, {**ask, "seed": 1, "temperature": 1})["text"] != greedy
        asked = {"model": DEMO, "input": ask["messages"][0]["content"], "max_output_tokens": 40}
        response = post(server.http, "/v1/responses", asked)
        assert response["temperature"] == 0 and response["output"][0]["content"][0]["text"] == greedy
        assert post(server.http, "/v1/responses", {**asked, "temperature": 0.5})["temperature"] == 0.5
