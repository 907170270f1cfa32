"""One table of requests through every door, HTTP, waferline.v1, vllm, SMG's vllm.grpc.engine and openengine.v1: the same tokens, the same
reason, exactly one end; and what is cancelled at any moment leaves nothing in flight."""

import time

import pytest

from churn_test import settle
from cloud import Metrics, Waferd, post
from doors import DOORS, MODEL, VllmDoor, load_messages, waferd_with_all_doors
from grpc_doors import GrpcDoors


@pytest.fixture(name="messages", scope="module")
def loaded(tmp_path_factory):
    return load_messages(tmp_path_factory.mktemp("grpc"))


@pytest.fixture(name="server", scope="module")
def started(tmp_path_factory):
    with waferd_with_all_doors(tmp_path_factory.mktemp("server"), "real, scale: 1") as server:
        yield server


@pytest.fixture(name="slow", scope="module")
def slow_server(tmp_path_factory):
    """A token takes long enough for a cancellation to come between any two."""
    with waferd_with_all_doors(tmp_path_factory.mktemp("slow"), "real, scale: 0.01") as server:
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


def vllm_request(messages, prompt, fields):
    return VllmDoor(None, messages).request(prompt, fields)


def ends_of(messages, stream):
    return VllmDoor(None, messages).read(stream).ends


@pytest.mark.parametrize("name", TABLE)
def test_every_door_gives_the_same(name, server, prompt, messages):
    fields = TABLE[name]
    expected = DOORS["HTTP completions"](server, messages).whole(prompt, fields).facts()
    assert expected["ids"] and len(expected["ends"]) == 1 and expected["after the end"] == 0
    for door, make in DOORS.items():
        found = make(server, messages).whole(prompt, fields).facts()
        if "vllm.grpc.engine" in door:  # ids only
            found["text"] = expected["text"]
        assert found == expected, door


def test_what_ended_a_request_is_said(server, prompt, messages):
    vllm, smg = messages["vllm"], messages["smg"]
    for name, vllm_says, smg_says in (("stop string", "stop_string", "matched_stop_str"), ("to the end", "eos_token_id", "matched_token_id"),
                                      ("greedy", None, None)):
        with GrpcDoors(server.grpc) as doors:
            once = doors.ask("vllm.Inference/Generate", vllm_request(messages, prompt, TABLE[name]), vllm.GenerateResponse)
            request = DOORS["vllm.grpc.engine, whole"](None, messages).request(prompt, TABLE[name])
            end = list(doors.stream("vllm.grpc.engine.VllmEngine/Generate", request, smg.GenerateResponse))[-1].complete
        assert once.prompt_info.num_prompt_tokens == len(prompt)
        assert (once.outputs.finish_info.WhichOneof("stop_reason"), end.WhichOneof("matched_stop")) == (vllm_says, smg_says)


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


@pytest.fixture(name="staged", scope="module")
def staged_server(tmp_path_factory):
    """Prefill, transfer and each token take long enough to be seen."""
    link = "link: {bytes_per_second: 5.0e+10, latency_us: 8000}"
    with waferd_with_all_doors(tmp_path_factory.mktemp("staged"), "real, scale: 0.005", link=link) as server:
        yield server


LONG = {"temperature": 0, "ignore_eos": True, "max_tokens": 500}


@pytest.mark.parametrize("door", [name for name in DOORS if "whole" not in name])
def test_a_cancelled_request_leaves_nothing(door, slow, prompt, messages):
    for read in (0, 1):
        call = DOORS[door](slow, messages).start(prompt, LONG)
        if read:
            call.read_one()
        call.cancel()
        nothing_in_flight(slow)


@pytest.mark.parametrize("state", ("waiting", "prefilling", "transferring", "decoding"))
@pytest.mark.parametrize("door", [name for name in DOORS if "whole" not in name])
def test_a_request_that_is_cancelled_in_a_state_leaves_nothing(door, state, staged, prompt, messages):
    count = 12 if state == "waiting" else 1  # of 8 at once
    calls = [DOORS[door](staged, messages).start(prompt, LONG) for _ in range(count)]
    end = time.monotonic() + 60
    while not Metrics(staged.http).sum("waferline_requests", phase=state):
        assert time.monotonic() < end, f"no request is {state}"
        time.sleep(0.01)
    calls.reverse()  # those that wait first
    for call in calls:
        call.cancel()
    nothing_in_flight(staged)
    nothing = dict.fromkeys(("waferline_requests", "waferline_requests_in_flight", "waferline_unit_sequences", "waferline_compute_sequences",
                             "waferline_compute_shard_kv_bytes", "waferline_compute_prefill_kv_bytes"), 0)

    def held():
        metrics = Metrics(staged.http)
        return {name: metrics.sum(name) for name in nothing}
    assert settle(held, nothing) == nothing


@pytest.mark.parametrize("how", ["vllm.Inference, streamed", "vllm.grpc.engine, streamed", "openengine.v1"])
def test_an_aborted_request_ends_once(how, slow, prompt, messages):
    door = DOORS[how](slow, messages)
    request = door.request(prompt, LONG)
    request.request_id = f"to-abort-{len(how)}"
    with GrpcDoors(slow.grpc) as doors:
        call = doors.stream(door.method, request, door.answer)
        first = next(call)
        if "openengine" in how:
            control = messages["openengine_control"]
            ask = control.AbortRequest(request_id=request.request_id)
            done = doors.ask("openengine.v1.Control/Abort", ask, control.AbortResponse)
            assert control.AbortStatus.Name(done.status) == "ABORT_STATUS_ABORTED"
        elif "Inference" in how:
            control = messages["control"]
            doors.ask("vllm.Control/Abort", control.AbortRequest(request_ids=["another", "", request.request_id]), control.AbortResponse)
        else:
            smg = messages["smg"]
            doors.ask("vllm.grpc.engine.VllmEngine/Abort", smg.AbortRequest(request_ids=[request.request_id]), smg.AbortResponse)
        assert door.read([first, *call]).ends == ["CANCELLED" if "openengine" in how else "ABORTED"]
        if "openengine" in how:
            done = doors.ask("openengine.v1.Control/Abort", ask, control.AbortResponse)
            assert control.AbortStatus.Name(done.status) == "ABORT_STATUS_ALREADY_FINISHED"
    nothing_in_flight(slow)


def test_requests_that_wait_are_cancelled_with_those_that_run(slow, prompt, messages):
    vllm = messages["vllm"]
    request = vllm_request(messages, prompt, LONG)
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
    keys = "api_keys: [{key: key-a, tenant: a}, {key: key-b, tenant: b}]"
    request = vllm_request(messages, prompt, {**LONG, "max_tokens": 60})
    request.request_id = "mine"
    with waferd_with_all_doors(tmp_path, "real, scale: 0.01", keys) as server, GrpcDoors(server.grpc) as doors:
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
            ends[key] = ends_of(messages, [first, *call])
        assert ends == {"key-b": ["LENGTH"], "key-a": ["ABORTED"]}
        nothing_in_flight(server)


def test_openengine_control_says_what_a_router_needs(server, messages):
    control = messages["openengine_control"]
    with GrpcDoors(server.grpc) as doors:
        def ask(call, request, answer):
            return doors.ask(f"openengine.v1.Control/{call}", request, answer)
        info = ask("GetServerInfo", control.GetServerInfoRequest(), control.ServerInfo)
        model = ask("GetModelInfo", control.GetModelInfoRequest(model=MODEL), control.ModelInfo)
        by_source = ask("GetModelInfo", control.GetModelInfoRequest(model=model.model_id), control.ModelInfo)
        load = ask("GetLoad", control.GetLoadRequest(include_per_rank=True), control.LoadInfo)
        health = ask("Health", control.HealthRequest(model=MODEL, role=control.ENGINE_ROLE_AGGREGATED), control.HealthResponse)
        other = ask("Health", control.HealthRequest(role=control.ENGINE_ROLE_PREFILL), control.HealthResponse)
        for call, request, code in (("GetModelInfo", control.GetModelInfoRequest(), "INVALID_ARGUMENT"),
                                    ("GetModelInfo", control.GetModelInfoRequest(model="another"), "NOT_FOUND"),
                                    ("Health", control.HealthRequest(include_inference_probe=True), "INVALID_ARGUMENT"),
                                    ("Abort", control.AbortRequest(), "INVALID_ARGUMENT"), ("ListLoras", control.AllRequests(), "UNIMPLEMENTED")):
            assert doors.refusal(f"openengine.v1.Control/{call}", request, control.ModelInfo)[0] == code
        assert [doors.health(f"openengine.v1.{name}") for name in ("Control", "Inference")] == [1, 1]
    assert (info.engine_name, list(info.supported_models), info.schema_revision, len(info.schema_release)) == ("waferline", [MODEL], 1, 32)
    assert info.capacity.max_running_requests == 8 and info.capacity.kv_block_size > 0
    assert model == by_source and model.max_context_length == 1024 and model.generation.supports_priority
    assert load.HasField("queued_requests") and len(load.ranks) == 1 and load.total_kv_blocks == info.capacity.total_kv_blocks
    states = [control.HealthState.Name(answer.state).removeprefix("HEALTH_STATE_") for answer in (health, other)]
    assert states == ["READY", "NOT_READY"]


def test_smg_asks_and_is_answered(server, messages):
    smg = messages["smg"]
    with GrpcDoors(server.grpc) as doors:
        def ask(call, request, answer):
            return doors.ask(f"vllm.grpc.engine.VllmEngine/{call}", request, answer)
        model = ask("GetModelInfo", smg.GetModelInfoRequest(), smg.GetModelInfoResponse)
        info = ask("GetServerInfo", smg.GetServerInfoRequest(), smg.GetServerInfoResponse)
        loads = ask("GetLoads", smg.GetLoadsRequest(), smg.GetLoadsResponse)
        assert ask("HealthCheck", smg.HealthCheckRequest(), smg.HealthCheckResponse).healthy
        assert doors.refusal("vllm.grpc.engine.VllmEngine/Embed", smg.AbortRequest(), smg.AbortResponse)[0] == "UNIMPLEMENTED"
    assert (model.served_model_name, model.max_context_length, model.is_generation) == (MODEL, 1024, True) and model.eos_token_ids
    assert (info.server_type, info.max_num_seqs, info.kv_connector) == ("vllm-grpc", 8, "")
    assert len(loads.loads) == 1 and loads.loads[0].max_total_num_tokens > 0


def test_openengine_priority_and_rank_are_metadata(server, prompt, messages):
    openengine = messages["openengine"]
    door = DOORS["openengine.v1"](server, messages)
    request = door.request(prompt, TABLE["greedy"])
    with GrpcDoors(server.grpc) as doors:
        for metadata, field in (((("openengine-priority", "high"),), "openengine-priority"), ((("openengine-target-dp-rank", "1"),), "openengine-target-dp-rank")):
            with pytest.raises(doors.grpc.RpcError) as error:
                list(doors.stream(door.method, request, openengine.GenerateResponse, metadata=metadata))
            assert error.value.code().name == "INVALID_ARGUMENT" and error.value.details().startswith(field)
        assert door.read(doors.stream(door.method, request, openengine.GenerateResponse, metadata=[("openengine-priority", "3")])).ends == ["LENGTH"]


def test_openengine_gives_log_probabilities_and_no_text_on_request(server, prompt, messages):
    openengine = messages["openengine"]
    door = DOORS["openengine.v1"](server, messages)
    request = door.request(prompt, TABLE["greedy"])
    request.response.return_output_logprobs, request.response.output_candidates.top_n = True, 2
    request.extra.update({"detokenize": False, "unknown": 1})
    with GrpcDoors(server.grpc) as doors:
        tokens = [info for event in doors.stream(door.method, request, openengine.GenerateResponse) for info in event.token.tokens]
        assert door.read(doors.stream(door.method, request, openengine.GenerateResponse)).text == ""
    assert len(tokens) == 24
    for info in tokens:  # greedy: the likeliest
        assert [candidate.rank for candidate in info.candidates] == [1, 2] and info.candidates[0].token_id == info.token_id
        assert info.candidates[0].logprob == info.logprob <= 0


def test_vllm_control_says_what_a_router_needs(server, messages):
    control = messages["control"]
    with GrpcDoors(server.grpc) as doors:
        infos = [doors.ask("vllm.Control/GetServerInfo", control.GetServerInfoRequest(), control.ServerInfo) for _ in range(2)]
        sources = doors.ask("vllm.Control/GetKvEventSources", control.GetKvEventSourcesRequest(), control.GetKvEventSourcesResponse)
        model = doors.ask("vllm.Control/GetModelInfo", control.GetModelInfoRequest(), control.ModelInfo)
        assert [doors.health(name) for name in ("vllm.Control", "vllm.Inference")] == [1, 1]
        assert doors.refusal("vllm.Control/Sleep", control.GetModelInfoRequest(), control.ModelInfo)[0] == "UNIMPLEMENTED"
    info = infos[0]
    assert not sources.sources  # none are configured
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
    request = vllm_request(messages, prompt, TABLE["greedy"])
    REFUSED[field](request)
    with GrpcDoors(server.grpc) as doors:
        code, text = doors.refusal("vllm.Inference/Generate", request, vllm.GenerateResponse)
        assert (code, text.split(":")[0].split(" ")[0]) == ("INVALID_ARGUMENT", field), text
    nothing_in_flight(server)


def test_another_model_and_another_rank_are_refused(server, prompt, messages):
    vllm = messages["vllm"]
    request = vllm_request(messages, prompt, TABLE["greedy"])
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
