"""Worker processes that are killed or stopped while requests run: host time passes and nothing else is seen. Text, emulated times and the
schedule's digest are those of a run in which nothing happened.
"""

import json
import signal
import time

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, get, layer_count, stream

MODEL = ROOT / "deploy/models/demo.gguf"
TOKENS = 300
CONFIG = """clock: {{kind: stepped}}
models:
  - name: far
    shape: llama-3.1-8b
    context: 512
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""


def run(server, at=None, fault=None):
    """One request of a trace; `fault` is called when `at` tokens are here. What the client sees but for host times."""
    body = {"model": "far", "prompt": "The storm came over the harbour. " * 6, "temperature": 0.7, "seed": 5, "max_tokens": TOKENS,
            "ignore_eos": True, "logprobs": 2,
            "waferline": {"arrival_ns": 1000, "arrival_number": 0, "last_arrival": True, "instants": True}}
    tokens, instants, times, over = [], [], None, None
    for _, event in stream(server.http, "/v1/completions", body):
        instants += event.get("waferline", {}).get("instants_ns", [])
        times = event.get("time_info") or times
        for choice in event["choices"]:
            logprobs = choice["logprobs"] or {"tokens": [], "token_logprobs": []}
            tokens += zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True)
        if fault and len(instants) >= at:
            fault()
            fault, over = None, time.monotonic()
    assert fault is None and len(instants) == TOKENS and tokens
    if over:
        print(f"done {time.monotonic() - over:.1f} s after the fault")
    emulated = {key: times[key] for key in ("queue_time", "prompt_time", "completion_time", "total_time")}
    return tokens, instants, emulated, json.loads(get(server.http + "/admin/load"))["schedule_digest"]


def start(folder, workers):
    config = folder / "cloud.yaml"
    config.write_text(CONFIG.format(tokens=workers.tokens))
    return Waferd(config)


@pytest.fixture(name="quiet", scope="module")
def quiet_run(tmp_path_factory):
    with Workers(MODEL, layer_count(MODEL), 2) as workers, start(tmp_path_factory.mktemp("quiet"), workers) as server:
        found = run(server)
        assert Metrics(server.http).sum("waferline_host_recoveries_total") == 0
        return found


@pytest.mark.parametrize("number", (0, 1, 2), ids=("prefill", "first shard", "last shard"))
def test_a_killed_worker_changes_no_emulated_time(quiet, number, tmp_path):
    def kill_and_restart():
        workers.kill(number)
        workers.start(number)

    with Workers(MODEL, layer_count(MODEL), 2) as workers, start(tmp_path, workers) as server:
        assert run(server, 40, kill_and_restart) == quiet
        metrics = Metrics(server.http)
        assert metrics.sum("waferline_restarts_total") == 0
        recoveries = metrics.sum("waferline_host_recoveries_total", cause="shard_lost")
        assert recoveries == 0 if number == 0 else 1 <= recoveries <= 8


@pytest.mark.parametrize("number", (0, 1, 2), ids=("prefill", "first shard", "last shard"))
def test_a_stopped_worker_changes_no_emulated_time(quiet, number, tmp_path):
    """It is stopped until its silence is noticed, which takes the server's patience, and then goes on."""
    with Workers(MODEL, layer_count(MODEL), 2) as workers, start(tmp_path, workers) as server:
        def stop_until_it_is_noticed():
            begin = time.monotonic()
            workers.processes[number].send_signal(signal.SIGSTOP)
            try:
                while json.loads(get(server.http + "/health")) == {"status": "ok"}:
                    assert time.monotonic() < begin + 120
                    time.sleep(0.05)
                print(f"noticed {time.monotonic() - begin:.1f} s after the stop")
            finally:
                workers.processes[number].send_signal(signal.SIGCONT)

        assert run(server, 40, stop_until_it_is_noticed) == quiet
        assert Metrics(server.http).sum("waferline_restarts_total") == 0


def test_killed_again_and_again(quiet, tmp_path):
    """Each of the three twice, while the first tokens are computed and later; the budget of emulated restarts (3) is not touched."""
    def kill_all():
        for number in (1, 0, 2, 1, 0, 2):
            workers.kill(number)
            workers.start(number)

    with Workers(MODEL, layer_count(MODEL), 2) as workers, start(tmp_path, workers) as server:
        assert run(server, 1, kill_all) == quiet
        assert Metrics(server.http).sum("waferline_restarts_total") == 0
