"""Worker processes that are killed and stay away: requests end within `worker_outage_ms`, the answer and the log say which worker is
gone, and when it is back so is everything else. And workers whose port gets strange visitors.
"""

import json
import math
import socket
import time
import urllib.error

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, get, layer_count, post, waferctl

MODEL = ROOT / "deploy/models/demo.gguf"
OUTAGE_S = 4  # far longer than a refusal takes on a loaded machine
CONFIG = """clock: {{kind: real, scale: 100}}
models:
  - name: far
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""


def ask(url):
    begin = time.monotonic()
    body = {"model": "far", "prompt": "Once there was a baker who", "temperature": 0, "max_tokens": 24}
    try:
        return 200, post(url, "/v1/completions", body)["choices"][0]["text"], {}, time.monotonic() - begin
    except urllib.error.HTTPError as error:
        message = json.loads(error.read())["error"]["message"]
        return error.code, message, error.headers, time.monotonic() - begin


def status_of(url):
    try:
        return 200, get(url)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def expected_queue(url):
    return Metrics(url).sum("waferline_emulated_expected_queue_seconds", model_name="far")


@pytest.fixture(name="cloud", scope="module")
def cloud_of_workers(tmp_path_factory):
    with Workers(MODEL, layer_count(MODEL), 2) as workers:
        tokens = workers.tokens.replace("{from: remote", f"{{from: remote, worker_outage_ms: {round(OUTAGE_S * 1000)}")
        config = tmp_path_factory.mktemp("lost") / "cloud.yaml"
        config.write_text(CONFIG.format(tokens=tokens))
        with Waferd(config) as server:
            yield server, workers


@pytest.mark.parametrize("number, named", ((0, "a prefill worker was lost"), (1, "shard 1 of 2"), (2, "shard 2 of 2")))
def test_a_worker_that_stays_away(cloud, number, named):
    server, workers = cloud
    text = ask(server.http)[1]
    remarks = len([line for line in server.log().splitlines() if line.startswith("waferd: model far:")])
    workers.kill(number)
    try:
        code, message, headers, seconds = ask(server.http)
        assert (code, headers["retry-after"]) == (503, "2")
        print(f"503 after {seconds:.1f} s, bound {OUTAGE_S} s")
        assert seconds < OUTAGE_S + 30
        assert named in message and workers.addresses[number] in message
        code, message, headers, seconds = ask(server.http)
        assert (code, headers["retry-after"]) == (503, "2") and named in message
        assert seconds < OUTAGE_S / 2  # the outage is known
        for path in ("/ready", "/health"):
            code, body = status_of(server.http + path)
            assert code == (503 if path == "/ready" else 200)
            assert workers.addresses[number] in body
        shown = waferctl("status", "--server", server.http).stdout
        assert shown.startswith("not ready, ") and workers.addresses[number] in shown
        assert expected_queue(server.http) == math.inf
    finally:
        workers.start(number)
    end = time.monotonic() + 60
    while status_of(server.http + "/ready")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert ask(server.http)[:2] == (200, text)
    assert expected_queue(server.http) == 0
    lines = [line for line in server.log().splitlines() if line.startswith("waferd: model far:")][remarks:]
    assert len(lines) == 2, lines
    assert "lost" in lines[0] and "all workers are back after" in lines[1]


def test_visitors_that_say_nothing_or_nonsense(cloud):
    server, workers = cloud
    expected = ask(server.http)[:2]
    for number, address in enumerate(workers.addresses):
        host, port = address.split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(20)]
        with socket.create_connection((host, int(port))) as nonsense:
            nonsense.sendall(b"GET / HTTP/1.1\r\nhost: a\x1b[31m\r\n\r\n")
            nonsense.settimeout(60)
            assert nonsense.recv(100) == b""
        workers.kill((number + 1) % 3)  # the connections of the others begin again, next to the silent ones
        workers.start((number + 1) % 3)
        end = time.monotonic() + 60
        while (answer := ask(server.http)[:2]) != expected:
            assert time.monotonic() < end, answer
            time.sleep(0.1)
        for one in silent:
            one.settimeout(60)
            assert one.recv(1) == b""
            one.close()
        log = workers.log(number)
        assert "connection refused (number 2" in log and "said nothing" in log
        assert "\x1b" not in log
