"""Worker processes that are stopped (SIGSTOP), not killed: requests end by their deadlines, other models go on, SIGTERM ends the server, and
after SIGCONT everything is as before, without a restart.
"""

import concurrent.futures
import json
import os
import signal
import time
import urllib.error

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, far_and_near, get, layer_count, post

MODEL = ROOT / "deploy/models/demo.gguf"
PATIENCE = 2
OUTAGE = 120  # longer than anything here: what ends a request is its deadline


def ask(url, model, **fields):
    body = {"model": model, "prompt": "Once there was a baker who", "temperature": 0, "max_tokens": 24, **fields}
    return post(url, "/v1/completions", body)["choices"][0]["text"]


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.1)


@pytest.fixture(name="cloud", scope="module")
def cloud_of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("silent")
    with Workers(MODEL, layer_count(MODEL), 2) as workers:
        tokens = workers.tokens.replace("{from: remote", f"{{from: remote, worker_patience_ms: {PATIENCE}000, worker_outage_ms: {OUTAGE}000, outage_patience_ms: {OUTAGE}000")
        config = folder / "cloud.yaml"
        config.write_text(far_and_near(tokens, MODEL, scale=100))
        with Waferd(config) as server:
            yield server, workers


@pytest.mark.parametrize("worker", (0, 1, 2), ids=("prefill", "first shard", "last shard"))
def test_a_stopped_worker_costs_its_own_model_a_bounded_time(cloud, worker):
    server, workers = cloud
    text = ask(server.http, "far")
    assert text == ask(server.http, "near")
    pid = workers.processes[worker].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises((RuntimeError, urllib.error.HTTPError)):
            # 100 emulated seconds a second
            ask(server.http, "far", waferline={"deadline_ms": 100_000})
        assert 0.9 < time.monotonic() - begin < OUTAGE / 4
        for _ in range(4):
            begin = time.monotonic()
            assert ask(server.http, "near") == text
            assert time.monotonic() - begin < OUTAGE / 4
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: json.loads(get(server.http + "/health")) == {"status": "ok"}, 60)
    assert ask(server.http, "far") == text


def test_a_server_ends_in_time_while_a_worker_is_stopped(tmp_path):
    drain = 2
    config = tmp_path / "cloud.yaml"
    with Workers(MODEL, layer_count(MODEL), 2) as workers, concurrent.futures.ThreadPoolExecutor(1) as pool:
        config.write_text(far_and_near(workers.tokens, MODEL, scale=100) + f"limits: {{drain_us: {drain}000000}}\n")
        with Waferd(config) as server:
            ask(server.http, "far")
            os.kill(workers.processes[1].pid, signal.SIGSTOP)
            try:
                waiting = pool.submit(ask, server.http, "far")
                wait_for(lambda: Metrics(server.http).sum("waferline_requests_in_flight") > 0, 20)
                begin = time.monotonic()
                assert server.stop() == 0
                print(f"ended after {time.monotonic() - begin:.1f} s, bound {1 + drain + 3} s")
                assert time.monotonic() - begin < 1 + drain + 3 + 15  # for a loaded machine
                with pytest.raises(OSError):
                    waiting.result(10)
            finally:
                os.kill(workers.processes[1].pid, signal.SIGCONT)
