"""A prompt computed by one server and decoded by another, as vLLM's proxies for prefill and decode arrange it: over every door the tokens
are those of one server; emulated time says what the transfer costs; what does not belong together is refused by name."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cloud import ROOT, Metrics, post
from doors import DOORS, MODEL, HttpDoor, OwnDoor, load_messages, waferd_with_all_doors
from grpc_doors import GrpcDoors

KEY = "0123456789abcdef"
KV_BYTES = 2 * 32 * 8 * 128 * 2  # of a token: keys and values of Llama 3.1 8B, 32 layers, 8 heads of 128, 2 bytes each
LINK = 5e10                      # bytes a second


def cell(folder, transfer=""):
    return waferd_with_all_doors(folder, "stepped", transfer, f"link: {{bytes_per_second: {LINK}, latency_us: 20}}")


@pytest.fixture(name="messages", scope="module")
def loaded(tmp_path_factory):
    return load_messages(tmp_path_factory.mktemp("grpc"))


@pytest.fixture(name="cells", scope="module")
def started(tmp_path_factory):
    """One server that does both, one that computes prompts, one that decodes."""
    folder = tmp_path_factory.mktemp("cells")
    with cell(folder) as one, cell(folder, f"kv_transfer: {{key: {KEY}, role: prefill}}") as prefill, \
            cell(folder, f"kv_transfer: {{key: {KEY}, role: decode}}") as decode:
        yield one, prefill, decode


@pytest.fixture(name="prompt", scope="module")
def tokens_of_a_prompt(cells):
    return post(cells[0].http, "/tokenize", {"model": MODEL, "prompt": "The old ferryman looked at the river and " * 5})["tokens"]


TABLE = {
    "greedy": {"temperature": 0, "max_tokens": 24},
    "one token": {"temperature": 0, "max_tokens": 1},
    "drawn": {"temperature": 1.0, "seed": 7, "max_tokens": 24},
    "penalties": {"temperature": 0.8, "seed": 9, "presence_penalty": 0.7, "repetition_penalty": 1.1, "max_tokens": 24},
    "stop string": {"temperature": 0, "stop": ["the"], "max_tokens": 64},
    "held to a pattern": {"temperature": 1.0, "seed": 5, "structured_outputs": {"regex": "[a-f]{3}-[0-9]{2}"}, "max_tokens": 24},
}


def hand_over(door, prompt, fields):
    """What a prefill leg hands over. HTTP's is one document."""
    leg = {**fields, "max_tokens": 1, "min_tokens": 0, "kv_transfer_params": {"do_remote_decode": True, "do_remote_prefill": False}}
    leg.pop("stop", None)
    seen = door.once(prompt, leg) if isinstance(door, HttpDoor) else door.whole(prompt, leg)
    assert seen.ends == ["LENGTH"] and seen.handed_over["do_remote_prefill"] is True, seen.facts()
    return seen.handed_over


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("door", DOORS)
def test_two_cells_give_the_tokens_of_one(door, name, cells, prompt, messages):
    one, prefill, decode = (DOORS[door](server, messages) for server in cells)
    fields = TABLE[name]
    handed = hand_over(prefill, prompt, fields)
    assert decode.whole(prompt, {**fields, "kv_transfer_params": handed}).facts() == one.whole(prompt, fields).facts()


def test_protocols_may_differ_between_the_legs(cells, prompt, messages):
    fields = TABLE["drawn"]
    expected = DOORS["waferline.v1"](cells[0], messages).whole(prompt, fields).ids
    for first in DOORS:
        for second in DOORS:
            handed = hand_over(DOORS[first](cells[1], messages), prompt, fields)
            assert DOORS[second](cells[2], messages).whole(prompt, {**fields, "kv_transfer_params": handed}).ids == expected, (first, second)


def test_emulated_time_says_what_the_transfer_costs(cells, prompt, messages):
    one, prefill, decode = (OwnDoor(server, messages) for server in cells)
    fields = TABLE["greedy"]
    for length in (2, 20, len(prompt)):
        part = prompt[:length]
        whole = one.whole(part, fields).times
        leg = prefill.whole(part, {**fields, "max_tokens": 1, "kv_transfer_params": {"do_remote_decode": True}})
        # A prefill leg costs what a prefill costs, and nothing else.
        assert (leg.times.prefill_ns, leg.times.transfer_ns, leg.times.decode_ns) == (whole.prefill_ns, 0, 0)
        seen = decode.whole(part, {**fields, "kv_transfer_params": leg.handed_over})
        moved = (length - 1) * KV_BYTES / LINK * 1e9 + 20_000
        assert (seen.times.queue_ns, seen.times.prefill_ns) == (0, 0) and abs(seen.times.transfer_ns - moved) <= 2, (length, moved)
        assert abs(whole.transfer_ns - length * KV_BYTES / LINK * 1e9 - 20_000) <= 2
        # The first token passes the decode unit, too: one beat more than in one cell.
        assert 0 < seen.times.decode_ns - whole.decode_ns < max(whole.decode_ns / 20, 600_000)
        assert seen.usage.cached_prompt_tokens == length - 1


def fault(url, body):
    request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=60)
    error = json.loads(raised.value.read())["error"]
    return raised.value.code, error["param"], error["message"]


def test_what_does_not_belong_together_is_refused_by_name(cells, prompt, tmp_path):
    one, prefill, decode = cells
    leg = {"model": MODEL, "prompt": prompt, "max_tokens": 1, "kv_transfer_params": {"do_remote_decode": True}}
    handed = post(prefill.http, "/v1/completions", leg)["kv_transfer_params"]
    go_on = {"model": MODEL, "prompt": prompt, "max_tokens": 4, "kv_transfer_params": handed}
    transfer = "kv_transfer_params"
    cases = [(one, leg, transfer, "has no kv_transfer"), (decode, leg, transfer, "only decodes"), (prefill, go_on, transfer, "only computes prompts"),
             (prefill, {**leg, "max_tokens": 2}, transfer, "max_tokens: 1"), (prefill, {**leg, "stream": True}, "stream", "must be false"),
             (prefill, {**leg, "n": 2}, transfer, "n: 1"), (decode, {**go_on, "prompt": prompt[1:]}, transfer, "for this prompt"),
             (decode, {**go_on, transfer: {"do_remote_prefill": True, "remote_engine_id": "x"}}, transfer, "for this prompt"),
             (decode, {**go_on, transfer: {**handed, "do_remote_decode": True}}, transfer, "either"),
             (decode, {**go_on, transfer: {**handed, "expires_unix_s": "9999999999"}}, transfer, "for this prompt"),
             (decode, {**go_on, transfer: {**handed, "computed_unix_s": "9999999999"}}, transfer, "for this prompt"),
             (decode, {**go_on, transfer: {**handed, "remote_num_tokens": 1}}, transfer, "for this prompt"),
             (decode, {**go_on, transfer: {**handed, "remote_block_ids": [[1]]}}, transfer, "'remote_block_ids'"),
             (prefill, {**leg, transfer: {"do_remote_decode": True, "remote_port": 7}}, transfer, "'remote_port'")]
    for server, body, param, says in cases:
        code, named, message = fault(server.http, body)
        assert (code, named) == (400, param) and says in message, message
    with cell(tmp_path, "kv_transfer: {key: another-key-of-24-bytes!}") as other:
        assert "with this key" in fault(other.http, go_on)[2]
    with cell(tmp_path, f"kv_transfer: {{key: {KEY}, keep_s: 1}}") as short:
        late = post(short.http, "/v1/completions", leg)["kv_transfer_params"]
        while time.time() < int(late["expires_unix_s"]) + 1:
            time.sleep(0.1)
        assert "kept until" in fault(short.http, {**go_on, transfer: late})[2]
    assert post(decode.http, "/v1/completions", go_on)["usage"]["prompt_tokens_details"]["cached_tokens"] == len(prompt) - 1
    assert fault(decode.http, go_on)[:2] == (400, transfer) and "taken before" in fault(decode.http, go_on)[2]


def test_a_hand_over_that_was_used_is_refused_after_a_restart_too(cells, prompt, tmp_path):
    prefill = cells[1]
    leg = {"model": MODEL, "prompt": prompt, "max_tokens": 1, "kv_transfer_params": {"do_remote_decode": True}}
    role = f"kv_transfer: {{key: {KEY}, role: decode}}"
    handed = []

    def go_on(number):
        return {"model": MODEL, "prompt": prompt, "max_tokens": 4, "temperature": 0, "kv_transfer_params": handed[number]}
    with cell(tmp_path, role) as decode:
        handed += [post(prefill.http, "/v1/completions", leg)["kv_transfer_params"] for _ in range(2)]
        text = post(decode.http, "/v1/completions", go_on(0))["choices"][0]["text"]
        assert "taken before" in fault(decode.http, go_on(0))[2]
    with cell(tmp_path, role) as decode:
        for number in range(2):  # it does not know which of them was used
            code, named, message = fault(decode.http, go_on(number))
            assert (code, named) == (400, "kv_transfer_params") and "does not know what was taken before" in message, message
        handed.append(post(prefill.http, "/v1/completions", leg)["kv_transfer_params"])
        assert post(decode.http, "/v1/completions", go_on(2))["choices"][0]["text"] == text


@pytest.mark.skipif(shutil.which("cc") is None, reason="the clock is moved by a library that is compiled here")
def test_a_hand_over_that_was_used_is_refused_though_the_clock_went_back_over_a_restart(prompt, tmp_path):
    library, jump, taken = tmp_path / "clock_jump.so", tmp_path / "jump", tmp_path / "taken"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, ROOT / "tests/support/clock_jump.c", "-ldl"], check=True)
    leg = {"model": MODEL, "prompt": prompt, "max_tokens": 1, "kv_transfer_params": {"do_remote_decode": True}}
    for kept in ("", f", taken_file: {taken}"):
        role = f"kv_transfer: {{key: {KEY}, keep_s: 600{kept}}}"
        with cell(tmp_path, role) as decode:
            handed = post(decode.http, "/v1/completions", leg)["kv_transfer_params"]
            body = {"model": MODEL, "prompt": prompt, "max_tokens": 4, "temperature": 0, "kv_transfer_params": handed}
            text = post(decode.http, "/v1/completions", body)["choices"][0]["text"]
        computed = int(handed["computed_unix_s"])
        back_s = round(time.time()) - computed + 8  # so that the server starts before the prompt was computed
        jump.write_text(str(-back_s))
        decode = cell(tmp_path, role)
        decode.command = ["env", f"CLOCK_JUMP_FILE={jump}", f"LD_PRELOAD={library}", *decode.command]
        with decode:
            while time.time() - back_s < computed + 1:
                time.sleep(0.1)
            if not kept:  # what a clock that goes back costs
                assert post(decode.http, "/v1/completions", body)["choices"][0]["text"] == text
                continue
            assert taken.read_text() == f"{computed}\n"
            code, named, message = fault(decode.http, body)
            assert (code, named) == (400, "kv_transfer_params") and f"takes what was computed from {computed + 1} on" in message, message
    taken.write_text("not a second")
    with pytest.raises(RuntimeError, match="has no Unix seconds"):
        cell(tmp_path, role).__enter__()


def test_what_was_taken_is_kept_by_one_server_in_a_plain_file(tmp_path):
    taken = tmp_path / "taken"
    role = f"kv_transfer: {{key: {KEY}, taken_file: {taken}}}"
    with cell(tmp_path, role):
        with pytest.raises(RuntimeError, match="taken.lock: another process has it open; each server needs a file of its own"):
            cell(tmp_path, role).__enter__()
    with cell(tmp_path, role):  # the lock ends with its server
        pass
    for path, says in ((tmp_path, "is a folder, not a regular file; name one"), ("/dev/null", "is a device, not a regular file; name one"),
                       (tmp_path / "no/taken", f"there is no folder {tmp_path}/no; make it: mkdir -p")):
        with pytest.raises(RuntimeError, match=f"kv_transfer.taken_file: .*{says}"):
            cell(tmp_path, f"kv_transfer: {{key: {KEY}, taken_file: {path}}}").__enter__()
    for name, says in ((taken, "is a pipe, not a regular file"), (tmp_path / "taken.lock", "is not a plain file")):
        name.unlink()
        os.mkfifo(name)
        with pytest.raises(RuntimeError, match=says):
            cell(tmp_path, role).__enter__()
        name.unlink()
        name.touch()


def test_no_prefill_worker_of_the_decode_cell_computes_anything_emulated(cells):
    metrics = Metrics(cells[2].http)
    assert metrics.sum("waferline_prefill_tokens_total") == 0, "the decode cell"


def test_openengine_says_the_roles(cells, messages):
    control = messages["openengine_control"]
    roles = []
    for server in cells:
        with GrpcDoors(server.grpc) as doors:
            info = doors.ask("openengine.v1.Control/GetServerInfo", control.GetServerInfoRequest(), control.ServerInfo)
        roles.append((control.EngineRole.Name(info.engine_role), info.kv_connector.enabled, info.kv_connector.transfer_backend))
    assert roles == [("ENGINE_ROLE_AGGREGATED", False, ""), ("ENGINE_ROLE_PREFILL", True, "waferline"), ("ENGINE_ROLE_DECODE", True, "waferline")]
