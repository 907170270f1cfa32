"""waferd as its operator meets it: what it prints when it starts, and how it ends."""

import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error

import pytest

from cloud import BIN, ONE_MODEL, ROOT, Metrics, Waferd, Workers, layer_count, post, waferctl


def configuration(folder, text):
    path = folder / "server.yaml"
    path.write_text(text + ONE_MODEL)
    return path


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
        return True
    except OSError:
        return False


def says(server, text):
    """Whether the log has it; what is printed last may come after the ports are open."""
    ended = time.monotonic() + 5
    while text not in server.log() and time.monotonic() < ended:
        time.sleep(0.02)
    return text in server.log()


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGHUP))  # SIGHUP: its terminal was closed
def test_after_a_signal_new_requests_are_answered_with_503_for_a_while(number):
    with Waferd("deploy/config/demo.yaml") as server:
        server.process.send_signal(number)
        seen = set()
        ended = time.monotonic() + 0.8
        while time.monotonic() < ended:
            connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=5)
            connection.request("GET", "/ready")
            seen.add(connection.getresponse().status)
            connection.close()
            time.sleep(0.05)
        assert 503 in seen and seen <= {200, 503}
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("role", (("prefill",), ("shard", "--layers", "0:2"), ("attention", "--layers", "0:2", "--ffn-workers", "127.0.0.1:1"),
                                  ("ffn", "--layers", "0:2")), ids=lambda role: role[0])
def test_a_signal_ends_a_worker_that_loads_its_model(tmp_path, role):
    def signalled():  # it waits for the program from its first instruction on
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        os.kill(os.getpid(), signal.SIGTERM)

    ended = subprocess.run([BIN / "waferd", "--role", *role, "--model", ROOT / "deploy/models/demo.gguf", "--port-file", tmp_path / "port"],
                           capture_output=True, text=True, timeout=60, preexec_fn=signalled)
    assert (ended.returncode, ended.stderr) == (0, "waferd: a signal came before it was ready, ending\n")
    assert "is ready" not in ended.stdout and not (tmp_path / "port").exists()


@pytest.mark.parametrize("scale, hours", (("1.0e+6", "2.6"), ("290", None)))
def test_a_clock_that_ends_within_a_year_is_warned_of(tmp_path, scale, hours):
    with Waferd(configuration(tmp_path, f"clock: {{kind: real, scale: {scale}}}\n")) as server:
        assert says(server, f"ends {hours} hours after this start") if hours else "after this start" not in server.log()


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_an_ipv6_address_is_printed_as_clients_take_it(tmp_path):
    with Waferd(configuration(tmp_path, 'listen: {address: "::1"}\n')) as server:
        url = server.http.replace("127.0.0.1", "[::1]")
        assert says(server, f"{url}/v1")
        listed = waferctl("models", "--server", url)
        assert listed.returncode == 0, listed.stderr
        assert "demo" in listed.stdout
        assert "warning" not in server.log()


@pytest.mark.parametrize("address, url", (("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:")))
def test_listening_for_every_machine_without_keys_is_refused_or_warned_of(tmp_path, address, url):
    if ":" in address and not has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with pytest.raises(RuntimeError, match="can be reached from other machines.*insecure: true"):
        Waferd(configuration(tmp_path, f'listen: {{address: "{address}"}}\n')).__enter__()
    with Waferd(configuration(tmp_path, f'listen: {{address: "{address}", insecure: true}}\n')) as server:
        assert says(server, url)
        assert says(server, "without API keys")


@pytest.mark.parametrize("mode, warned", ((0o644, True), (0o640, True), (0o600, False)))
def test_keys_that_other_users_may_read_are_warned_of(tmp_path, mode, warned):
    path = configuration(tmp_path, 'listen: {address: 127.0.0.1}\napi_keys: [{key: secret, tenant: t}]\n')
    path.chmod(mode)
    with Waferd(path) as server:
        assert says(server, f"waferctl chat --server {server.http} --api-key KEY")
        assert says(server, "-H 'Authorization: Bearer KEY'")
        assert says(server, "readable by other users") == warned
        assert "secret" not in server.log()


def test_health_says_which_model_a_fault_has_stopped(tmp_path):
    def status(server, path):
        connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=5)
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())

    def eventually(check):
        ended = time.monotonic() + 20
        while not check() and time.monotonic() < ended:
            time.sleep(0.05)
        return check()

    with Waferd(configuration(tmp_path, "listen: {address: 127.0.0.1}\n")) as server:
        assert status(server, "/health") == (200, {"status": "ok"})
        # A link that stands still is seen when a hand-off has not moved for some heartbeats.
        assert waferctl("faults", "send", "link_speed", "--model", "demo", "--factor", "0", "--server", server.http).returncode == 0
        waiting = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=60)
        waiting.request("POST", "/v1/completions", json.dumps({"model": "demo", "prompt": "Once", "max_tokens": 4}),
                        {"content-type": "application/json"})
        assert eventually(lambda: status(server, "/ready")[0] == 503)
        assert status(server, "/health") == (200, {"status": "degraded", "models": {"demo": "no KV link to a decode unit moves bytes"}})
        assert waferctl("faults", "send", "link_speed", "--model", "demo", "--factor", "1", "--server", server.http).returncode == 0
        assert eventually(lambda: status(server, "/ready")[0] == 200)
        assert waiting.getresponse().status == 200
        waiting.close()
        assert waferctl("faults", "send", "unit_lost", "--model", "demo", "--server", server.http).returncode == 0
        assert eventually(lambda: status(server, "/health")[1].get("models") == {"demo": "every decode unit is down"})
        assert Metrics(server.http).sum("waferline_emulated_expected_queue_seconds") == math.inf
        look = json.loads(waferctl("status", "--json", "--server", server.http).stdout)
        assert [model["expected_queue_ms"] for model in look["models"]] == [None]


def long_request(url, name):
    """Begins an answer that lasts for seconds, and returns its connection."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    body = json.dumps({"model": "demo", "prompt": "Once", "max_tokens": 4000, "ignore_eos": True, "stream": True})
    connection.request("POST", "/v1/completions", body, {"content-type": "application/json", "x-request-id": name})
    reply = connection.getresponse()
    assert reply.status == 200
    return connection, reply


def test_an_operator_sees_requests_and_ends_one(tmp_path):
    with Waferd(configuration(tmp_path, "clock: {kind: real, scale: 0.2}\n")) as server:
        connection, reply = long_request(server.http, "the-long-one")
        listed = waferctl("requests", "--server", server.http)
        assert listed.returncode == 0, listed.stderr
        assert "the-long-one" in listed.stdout and "decode" in listed.stdout, listed.stdout
        status = waferctl("status", "--server", server.http)
        assert "healthy" in status.stdout and "demo/wafer-0" in status.stdout, status.stdout
        top = waferctl("top", "--count", 3, "--server", server.http)
        assert top.returncode == 0 and top.stdout.count("TOKENS/S") == 3, top.stderr
        looks = waferctl("top", "--count", 2, "--json", "--server", server.http)
        assert len([json.loads(line) for line in looks.stdout.splitlines()]) == 2
        assert not re.search(r'_ms":\[?\d+\.\d{4}', looks.stdout), looks.stdout  # 0.036, not 0.036000000000000004
        with open("/dev/full", "w") as full:
            top = subprocess.run([BIN / "waferctl", "top", "--server", server.http], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert (top.returncode, top.stderr) == (1, "waferctl: cannot write to stdout: No space left on device\n")
        ended = waferctl("abort", "the-long-one", "--server", server.http)
        assert ended.returncode == 0, ended.stderr
        reply.read()
        connection.close()
        assert waferctl("abort", "the-long-one", "--server", server.http).returncode != 0
        listed = json.loads(waferctl("requests", "--ended", "--json", "--server", server.http).stdout)
        assert [one["end"] for one in listed["requests"] if one["id"] == "the-long-one"] == ["cancelled"]
        assert "http://" in waferctl("top", "--server", server.doors["grpc"]).stderr
        drained = waferctl("drain", "--server", server.http)
        assert drained.returncode == 0 and "no new requests" in drained.stdout
        assert "draining" in waferctl("status", "--server", server.http).stdout
        body = {"model": "demo", "prompt": "Once", "max_tokens": 4}
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(server.http, "/v1/completions", body)
        assert refused.value.code == 503 and "draining" in refused.value.read().decode()
        assert Metrics(server.http).sum("waferline_requests_refused_total", cause="draining") == 1
        resumed = waferctl("resume", "--server", server.http)
        assert resumed.returncode == 0 and resumed.stdout == "takes new requests; 0 in flight go on\n", resumed.stderr
        assert "healthy" in waferctl("status", "--server", server.http).stdout
        assert post(server.http, "/v1/completions", body)["usage"]["completion_tokens"] == 4


def test_a_chat_forgets_its_oldest_turns_when_the_context_is_full(tmp_path):
    small = ONE_MODEL.replace("context: 4096", "context: 160")
    path = tmp_path / "small.yaml"
    path.write_text(small)
    with Waferd(path) as server:
        words = [word for number in range(12) for word in ("--message", f"Message {number} of a long talk about boats.")]
        done = waferctl("chat", "--max-tokens", 24, "--server", server.http, *words)
        assert done.returncode == 0, done.stderr
        assert "forgot the oldest" in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_the_service_is_one_that_systemd_takes(tmp_path):
    text = (ROOT / "deploy/systemd/waferd.service").read_text()
    unit = tmp_path / "waferd.service"
    unit.write_text(text.replace("/usr/bin/waferd", str(BIN / "waferd")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "waferd.service:" not in done.stderr, done.stderr
    for line in re.findall(r"^ExecStart(?:Pre)?=/usr/bin/waferd (.*)$", text, re.M):
        for flag in re.findall(r"--[a-z-]+", line):
            assert flag in subprocess.run([str(BIN / "waferd"), "--help"], capture_output=True, text=True, timeout=20).stdout


def test_a_reader_of_stdout_that_goes_away_ends_nothing(tmp_path):
    ports = tmp_path / "ports.json"
    command = [BIN / "waferd", "--config", configuration(tmp_path, ""), "--http-port", "0", "--grpc-port", "0", "--port-file", ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert "is ready" in server.stdout.readline()
        server.stdout.close()
        url = f"http://127.0.0.1:{json.loads(ports.read_text())['http']}"
        assert post(url, "/v1/completions", {"model": "demo", "prompt": "Once", "max_tokens": 2})["usage"]["completion_tokens"] == 2
        server.send_signal(signal.SIGINT)
        assert server.stderr.read() == "waferd: cannot write to stdout: Broken pipe; goes on without it\n"
        assert server.wait(30) == 0


def test_who_computes_says_with_which_instructions(tmp_path):
    with Workers(ROOT / "deploy/models/demo.gguf", layer_count(ROOT / "deploy/models/demo.gguf"), 1, ["--cpu", "portable"]) as workers:
        assert all("computes with portable instructions" in workers.log(number) for number in (0, 1))
    with Waferd(configuration(tmp_path, ""), "--cpu", "portable") as server:
        assert says(server, "cpu    portable instructions")
