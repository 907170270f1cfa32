"""One table of requests through every door, HTTP, waferline.v1 and vllm: the same tokens, the same reason, exactly one end; and what is
cancelled at any moment leaves nothing in flight."""

import http.client
import importlib
import json
import pathlib
import time

import pytest

from cloud import ROOT, Metrics, Waferd, post, stream
from grpc_doors import GrpcDoors, load

MODEL = "demo"
HTTP_REASON = {"stop": "STOP", "length": "LENGTH"}


def configuration(folder, clock):
    path = pathlib.Path(folder) / f"{clock.split(',')[0]}.yaml"
    path.write_text(f"""
clock: {{kind: {clock}}}
engine_api: {{vllm: true, model_source: {ROOT}/deploy/models}}
models:
  - name: {MODEL}
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 8}}]
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf}}
""")
    return path


@pytest.fixture(name="messages", scope="module")
def loaded(tmp_path_factory):
    load(tmp_path_factory.mktemp("grpc"))
    names = {"v1": "waferline.v1.inference_pb2", "vllm": "vllm.inference_pb2", "control": "vllm.control_pb2"}
    return {short: importlib.import_module(name) for short, name in names.items()}


@pytest.fixture(name="server", scope="module")
def started(tmp_path_factory):
    with Waferd(configuration(tmp_path_factory.mktemp("server"), "real, scale: 1")) as server:
        yield server


@pytest.fixture(name="slow", scope="module")
def slow_server(tmp_path_factory):
    """A token takes long enough for a cancellation to come between any two."""
    with Waferd(configuration(tmp_path_factory.mktemp("slow"), "real, scale: 0.01")) as server:
        yield server


@pytest.fixture(name="prompt", scope="module")
def tokens_of_a_prompt(server):
    return post(server.http, "/tokenize", {"model": MODEL, "prompt": "The old ferryman looked at the river and"})["tokens"]


# Fields by their names in HTTP.
TABLE = {
    "greedy": {"temperature": 0, "max_tokens": 24},
    "one token": {"temperature": 0, "max_tokens": 1},
    "drawn": {"temperature": 1.0, "seed": 7, "max_tokens": 24},
    "drawn from few": {"temperature": 0.9, "seed": 8, "top_k": 12, "top_p": 0.8, "min_p": 0.02, "max_tokens": 24},
    "penalties": {"temperature": 0.8, "seed": 9, "presence_penalty": 0.7, "frequency_penalty": 0.3, "repetition_penalty": 1.1,
                  "max_tokens": 24},
    "stop string": {"temperature": 0, "stop": ["the"], "max_tokens": 64},
    "stop string that never comes": {"temperature": 0, "stop": ["no such text"], "max_tokens": 12},
    "to the end": {"temperature": 1.0, "seed": 3, "max_tokens": 400},
    "past the end": {"temperature": 1.0, "seed": 3, "ignore_eos": True, "max_tokens": 40},
    "at least": {"temperature": 1.0, "seed": 11, "min_tokens": 20, "max_tokens": 24},
    "held to a choice": {"temperature": 1.0, "seed": 4, "structured_outputs": {"choice": ["yes, my lord", "no"]}, "max_tokens": 24},
    "held to a pattern": {"temperature": 1.0, "seed": 5, "structured_outputs": {"regex": "[a-f]{3}-[0-9]{2}"}, "max_tokens": 24},
}


class Seen:
    """What a door said: the tokens, the text, the reasons of all ends."""

    def __init__(self):
        self.ids, self.text, self.ends, self.after_end = [], "", [], 0

    def piece(self, ids, text, end):
        self.after_end += bool(self.ends)
        self.ids += ids
        self.text += text
        if end:
            self.ends.append(end)

    def facts(self):
        return {"ids": self.ids, "text": self.text, "ends": self.ends, "after the end": self.after_end}


def over_http(server, prompt, fields):
    seen = Seen()
    body = {"model": MODEL, "prompt": prompt, "return_token_ids": True, **fields}
    for _, event in stream(server.http, "/v1/completions", body):
        choice = event["choices"][0]
        reason = choice.get("finish_reason")
        seen.piece(choice.get("token_ids") or [], choice["text"], reason and HTTP_REASON[reason])
    return seen


def over_v1(doors, v1, prompt, fields):
    request = v1.GenerateRequest(model=MODEL, token_ids=v1.TokenIds(ids=prompt))
    for name in ("temperature", "seed", "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"):
        if name in fields:
            setattr(request.sampling, name, fields[name])
    request.stop.max_tokens = fields["max_tokens"]
    request.stop.min_tokens = fields.get("min_tokens", 0)
    request.stop.strings.extend(fields.get("stop", []))
    request.stop.ignore_eos = fields.get("ignore_eos", False)
    held = fields.get("structured_outputs", {})
    request.constraint.choice.texts.extend(held["choice"]) if "choice" in held else None
    if "regex" in held:
        request.constraint.regex = held["regex"]
    seen = Seen()
    for event in doors.stream("waferline.v1.InferenceService/Generate", request, v1.GenerateResponse):
        if event.WhichOneof("event") == "tokens":
            seen.piece([token.id for token in event.tokens.tokens], "".join(token.text for token in event.tokens.tokens), None)
        elif event.WhichOneof("event") == "finished":
            reason = v1.FinishReason.Name(event.finished.reason).removeprefix("FINISH_REASON_")
            seen.piece([], event.finished.text, reason)
    return seen


def vllm_request(vllm, prompt, fields):
    request = vllm.GenerateRequest(token_ids=vllm.TokenIds(ids=prompt))
    request.temperature = fields["temperature"]
    for name in ("seed", "top_k", "top_p", "min_p"):
        if name in fields:
            setattr(request.sampling, name, fields[name])
    for name in ("presence_penalty", "frequency_penalty", "repetition_penalty"):
        setattr(request.decoding, name, fields.get(name, 0))
    request.stopping.max_new_tokens = fields["max_tokens"]
    request.stopping.min_new_tokens = fields.get("min_tokens", 0)
    request.stopping.stop_strings.extend(fields.get("stop", []))
    request.stopping.ignore_eos = fields.get("ignore_eos", False)
    request.response.output_token_ids = True
    held = fields.get("structured_outputs", {})
    request.decoding.choice.choices.extend(held["choice"]) if "choice" in held else None
    if "regex" in held:
        request.decoding.regex = held["regex"]
    return request


def read_vllm(vllm, messages):
    """Checks what the protocol promises of each message as well."""
    seen, total = Seen(), 0
    for number, message in enumerate(messages):
        assert message.HasField("prompt_info") == (number == 0)
        if not message.HasField("outputs"):
            continue
        output = message.outputs
        assert output.index == 0 and output.num_tokens == len(output.token_ids)
        total += output.num_tokens
        end = None
        if output.HasField("finish_info"):
            end = vllm.FinishInfo.FinishReason.Name(output.finish_info.finish_reason)
            assert output.finish_info.num_output_tokens == total
        seen.piece(list(output.token_ids), output.text, end)
    return seen


@pytest.mark.parametrize("name", TABLE)
def test_every_door_gives_the_same(name, server, prompt, messages):
    fields, vllm = TABLE[name], messages["vllm"]
    expected = over_http(server, prompt, fields).facts()
    assert expected["ids"] and len(expected["ends"]) == 1 and expected["after the end"] == 0
    request = vllm_request(vllm, prompt, fields)
    with GrpcDoors(server.grpc) as doors:
        assert over_v1(doors, messages["v1"], prompt, fields).facts() == expected
        streamed = read_vllm(vllm, doors.stream("vllm.Inference/GenerateStream", request, vllm.GenerateResponse))
        assert streamed.facts() == expected
        once = doors.ask("vllm.Inference/Generate", request, vllm.GenerateResponse)
    assert once.prompt_info.num_prompt_tokens == len(prompt)
    assert read_vllm(vllm, [once]).facts() == expected
    reason = once.outputs.finish_info.WhichOneof("stop_reason")
    ended_by_text = expected["ends"] == ["STOP"] and "stop" in fields
    assert reason == ("stop_string" if ended_by_text else "eos_token_id" if expected["ends"] == ["STOP"] else None)


def nothing_in_flight(server):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        metrics = Metrics(server.http)
        names = ["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"]
        left = {name: metrics.sum(name) for name in names}
        if not any(left.values()):
            return
        time.sleep(0.05)
    raise AssertionError(left)


LONG = {"temperature": 0, "ignore_eos": True, "max_tokens": 500}


@pytest.mark.parametrize("after", [0, 1, 2, 5])  # messages: none, prompt_info, the first tokens, more
@pytest.mark.parametrize("how", ["http", "v1", "vllm", "abort"])
def test_a_cancelled_request_leaves_nothing(how, after, slow, prompt, messages):
    v1, vllm, control = messages["v1"], messages["vllm"], messages["control"]
    if how == "http":
        connection = http.client.HTTPConnection(slow.http.removeprefix("http://"), timeout=60)
        body = json.dumps({"model": MODEL, "prompt": prompt, "stream": True, **LONG})
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        if after:
            reply = connection.getresponse()
            [reply.readline() for _ in range(2 * after)]
            reply.close()
        connection.close()
        return nothing_in_flight(slow)
    with GrpcDoors(slow.grpc) as doors:
        if how == "v1":
            request = v1.GenerateRequest(token_ids=v1.TokenIds(ids=prompt))
            request.stop.max_tokens, request.stop.ignore_eos = 500, True
            call = doors.stream("waferline.v1.InferenceService/Generate", request, v1.GenerateResponse)
        else:
            request = vllm_request(vllm, prompt, LONG)
            request.request_id = f"{how}-{after}"
            call = doors.stream("vllm.Inference/GenerateStream", request, vllm.GenerateResponse)
        read = [next(call) for _ in range(after)]
        if how != "abort":
            call.cancel()
            return nothing_in_flight(slow)
        doors.ask("vllm.Control/Abort", control.AbortRequest(request_ids=["another", request.request_id]), control.AbortResponse)
        if after == 0:  # the server may not have had it yet
            call.cancel()
        else:
            assert read_vllm(vllm, read + list(call)).ends == ["ABORTED"]
    return nothing_in_flight(slow)


def test_requests_that_wait_are_cancelled_with_those_that_run(slow, prompt, messages):
    vllm = messages["vllm"]
    request = vllm_request(vllm, prompt, LONG)
    with GrpcDoors(slow.grpc) as doors:
        calls = [doors.stream("vllm.Inference/GenerateStream", request, vllm.GenerateResponse) for _ in range(12)]  # of 8 at once
        end = time.monotonic() + 20
        while Metrics(slow.http).sum("vllm:num_requests_waiting") + Metrics(slow.http).sum("vllm:num_requests_running") < 12:
            assert time.monotonic() < end
            time.sleep(0.05)
        for call in reversed(calls):
            call.cancel()
        nothing_in_flight(slow)


def test_only_its_own_tenant_aborts_a_request(tmp_path, prompt, messages):
    vllm, control = messages["vllm"], messages["control"]
    path = configuration(tmp_path, "real, scale: 0.01")
    path.write_text(path.read_text() + "api_keys: [{key: key-a, tenant: a}, {key: key-b, tenant: b}]\n")
    request = vllm_request(vllm, prompt, {**LONG, "max_tokens": 60})
    request.request_id = "mine"
    with Waferd(path) as server, GrpcDoors(server.grpc) as doors:
        def abort(key):
            doors.ask("vllm.Control/Abort", control.AbortRequest(request_ids=["mine"]), control.AbortResponse,
                      metadata=[("authorization", f"Bearer {key}")])
        code, _ = doors.refusal("vllm.Control/Abort", control.AbortRequest(request_ids=["mine"]), control.AbortResponse)
        assert code == "UNAUTHENTICATED"
        ends = {}
        for key in ("key-b", "key-a"):
            call = doors.stream("vllm.Inference/GenerateStream", request, vllm.GenerateResponse,
                                metadata=[("authorization", "Bearer key-a")])
            first = next(call)
            abort(key)
            ends[key] = read_vllm(vllm, [first, *call]).ends
        assert ends == {"key-b": ["LENGTH"], "key-a": ["ABORTED"]}
        nothing_in_flight(server)


def test_vllm_control_says_what_a_router_needs(server, messages):
    control = messages["control"]
    with GrpcDoors(server.grpc) as doors:
        infos = [doors.ask("vllm.Control/GetServerInfo", control.GetServerInfoRequest(), control.ServerInfo) for _ in range(2)]
        model = doors.ask("vllm.Control/GetModelInfo", control.GetModelInfoRequest(), control.ModelInfo)
        assert [doors.health(name) for name in ("vllm.Control", "vllm.Inference")] == [1, 1]
        assert doors.refusal("vllm.Control/Sleep", control.GetModelInfoRequest(), control.ModelInfo)[0] == "UNIMPLEMENTED"
    info = infos[0]
    assert infos[1] == info and info.api_version == "vllm" and info.instance_id
    cache = [labels for name, labels, _ in Metrics(server.http).samples if name == "vllm:cache_config_info"]
    assert [(c["block_size"], c["num_gpu_blocks"]) for c in cache] == [(str(info.kv_block_size), str(info.total_kv_blocks))]
    assert (info.max_model_len, info.max_running_requests) == (1024, 8)
    assert (info.parallelism.data_parallel_size, info.parallelism.data_parallel_size_local) == (1, 1)
    assert model.served_model_name == MODEL and model.model_id.endswith("deploy/models") and model.supports_token_ids_input


REFUSED = {
    "sampling.num_sequences": lambda r: setattr(r.sampling, "num_sequences", 2),
    "temperature": lambda r: setattr(r, "temperature", 9),
    "decoding.presence_penalty": lambda r: setattr(r.decoding, "presence_penalty", 9),
    "decoding.allowed_token_ids": lambda r: r.decoding.allowed_token_ids.append(1),
    "decoding.json": lambda r: setattr(r.decoding, "json", "{"),
    "stopping.max_new_tokens": lambda r: setattr(r.stopping, "max_new_tokens", 5000),
    "stopping.stop_token_ids[0]": lambda r: r.stopping.stop_token_ids.append(2**32 - 1),
    "response.output_logprobs": lambda r: setattr(r.response, "output_logprobs", True),
    "kv.kv_transfer_params": lambda r: r.kv.kv_transfer_params.update({"do_remote_decode": True}),
    "lora_name": lambda r: setattr(r, "lora_name", "x"),
    "media": lambda r: r.media.add(),
    "token_ids.ids[0]": lambda r: r.token_ids.ids.__setitem__(0, 2**31),
    "prompt": lambda r: r.ClearField("token_ids"),
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_is_not_done_is_refused_by_name(field, server, prompt, messages):
    vllm = messages["vllm"]
    request = vllm_request(vllm, prompt, TABLE["greedy"])
    REFUSED[field](request)
    with GrpcDoors(server.grpc) as doors:
        code, text = doors.refusal("vllm.Inference/Generate", request, vllm.GenerateResponse)
        assert (code, text.split(":")[0].split(" ")[0]) == ("INVALID_ARGUMENT", field), text
    nothing_in_flight(server)


def test_another_model_and_another_rank_are_refused(server, prompt, messages):
    vllm = messages["vllm"]
    request = vllm_request(vllm, prompt, TABLE["greedy"])
    with GrpcDoors(server.grpc) as doors:
        code, text = doors.refusal("vllm.Inference/Generate", request, vllm.GenerateResponse, metadata=[("x-data-parallel-rank", "1")])
        assert code == "INVALID_ARGUMENT" and "x-data-parallel-rank" in text
        request.model = "another"
        assert doors.refusal("vllm.Inference/Generate", request, vllm.GenerateResponse)[0] == "NOT_FOUND"


def test_without_configuration_there_is_no_such_service(messages):
    vllm = messages["vllm"]
    with Waferd("deploy/models/demo.gguf") as server, GrpcDoors(server.grpc) as doors:
        code, _ = doors.refusal("vllm.Inference/Generate", vllm.GenerateRequest(text="hello"), vllm.GenerateResponse)
    assert code == "UNIMPLEMENTED"
