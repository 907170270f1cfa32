"""Worker processes that are killed or stopped while requests run: host time passes and nothing else is seen. Text, emulated times and the
schedule's digest are those of a run in which nothing happened.
"""

import json
import signal
import time

import pytest

from cloud import Metrics, Waferd, Workers, get, layer_count
from quiet_run import CONFIG, MODEL, same_as_quiet


def start(folder, workers):
    config = folder / "cloud.yaml"
    config.write_text(CONFIG.format(tokens=workers.tokens))
    return Waferd(config)


@pytest.mark.parametrize("number", (0, 1, 2), ids=("prefill", "first shard", "last shard"))
def test_a_killed_worker_changes_no_emulated_time(number, tmp_path):
    def kill_and_restart():
        workers.kill(number)
        workers.start(number)

    with Workers(MODEL, layer_count(MODEL), 2) as workers, start(tmp_path, workers) as server:
        same_as_quiet("a shard's process is killed, and" if number else "a prefill worker is lost", server, kill_and_restart)
        metrics = Metrics(server.http)
        assert metrics.sum("waferline_restarts_total") == 0
        recoveries = metrics.sum("waferline_host_recoveries_total", cause="shard_lost")
        assert recoveries == 0 if number == 0 else 1 <= recoveries <= 8


@pytest.mark.parametrize("number", (0, 1, 2), ids=("prefill", "first shard", "last shard"))
def test_a_stopped_worker_changes_no_emulated_time(number, tmp_path):
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

        same_as_quiet("a worker hangs", server, stop_until_it_is_noticed)
        assert Metrics(server.http).sum("waferline_restarts_total") == 0


def test_killed_again_and_again(tmp_path):
    """Each of the three twice, while the first tokens are computed and later; the budget of emulated restarts (3) is not touched."""
    def kill_all():
        for number in (1, 0, 2, 1, 0, 2):
            workers.kill(number)
            workers.start(number)

    with Workers(MODEL, layer_count(MODEL), 2) as workers, start(tmp_path, workers) as server:
        same_as_quiet("a shard's process is killed, and", server, kill_all, at=1)
        assert Metrics(server.http).sum("waferline_restarts_total") == 0
