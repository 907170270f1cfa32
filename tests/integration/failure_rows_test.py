"""Rows of docs/failures.md whose faults other tests show, seen from a running request: its text, emulated times and the schedule's digest are
those of a quiet run."""

import concurrent.futures
import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, get, layer_count
from quiet_run import CONFIG, MODEL, quiet, rows, same_as_quiet, while_held
from relay import Relay
from tls_links_test import Lab, configure
from worker_probe_test import ask, probe_of

PATIENCE_S = 2


def wait_for(condition, seconds=60):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended
        time.sleep(0.05)


def tokens(workers, **fields):
    """Of a configuration, in which these workers are relayed by those."""
    listed = ", ".join(f"{name}: {value}" for name, value in fields.items())
    return workers.tokens.replace("{from: remote", f"{{from: remote, {listed}" if listed else "{from: remote")


def impaired(server):
    return json.loads(get(server.http + "/health")) != {"status": "ok"}


def recoveries(server):
    return Metrics(server.http).sum("waferline_host_recoveries_total")


def test_every_row_is_compared_or_says_why_not():
    """What is compared is compared by name."""
    source = "".join(path.read_text() for path in ROOT.glob("tests/integration/*_test.py"))
    compared = [what for what, (_, same) in rows().items() if same.startswith("yes")]
    assert len(compared) > 15
    for what in compared:
        assert any(f'"{what[:end]}"' in source for end in range(8, len(what) + 1)), what
    assert all(same.startswith("yes") or len(same) > 15 for _, same in rows().values())


def test_without_a_standby_a_begun_request_waits_for_the_worker(tmp_path):
    """For longer than new ones wait."""
    with Workers(MODEL, layer_count(MODEL), 2) as workers, \
            Waferd.of(tmp_path, CONFIG.format(tokens=tokens(workers, worker_outage_ms=500))) as server:
        def away():
            workers.kill(2)
            wait_for(lambda: impaired(server))
            time.sleep(2)
            workers.start(2)

        same_as_quiet("there is no standby", server, away)
        assert recoveries(server) >= 1


@pytest.mark.parametrize("bad", ("lost there", "lost back", "trickle"))
@pytest.mark.parametrize("number", (0, 1, 2), ids=("prefill", "first shard", "last shard"))
def test_a_bad_network_for_a_while(number, bad, tmp_path):
    with Workers(MODEL, layer_count(MODEL), 2) as workers, contextlib.ExitStack() as stack:
        listed = tokens(workers, worker_patience_ms=PATIENCE_S * 1000, worker_outage_ms=60000)
        relays = []
        for address in workers.addresses:
            relays.append(stack.enter_context(Relay(address)))
            listed = listed.replace(address, relays[-1].address)
        server = stack.enter_context(Waferd.of(tmp_path, CONFIG.format(tokens=listed)))

        def until_it_is_noticed():
            relays[number].bad = bad
            wait_for(lambda: impaired(server))
            relays[number].bad = None

        if number > 0:
            same_as_quiet("a network loses one direction", server, until_it_is_noticed, at=1)
            assert recoveries(server) >= 1
            return
        quiet()  # before the network is bad
        relays[0].bad = bad
        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # a prefill worker's work is over when a token is here
            mended = pool.submit(until_it_is_noticed)
            same_as_quiet("a network loses one direction", server)
            mended.result()


def test_a_stuck_worker_is_started_again(tmp_path):
    """As Kubernetes does when /live is 503."""
    with Workers(MODEL, layer_count(MODEL), 2, ["--probe", "127.0.0.1:0"]) as workers, \
            Waferd.of(tmp_path, CONFIG.format(tokens=tokens(workers))) as server:
        holder = subprocess.Popen([sys.executable, ROOT / "tests/support/hold_thread.py", str(workers.processes[2].pid), "later"],
                                  stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        try:
            if holder.stdout.readline() != "ready\n":
                pytest.skip("ptrace is not allowed here")

            def hold_until_it_is_restarted():
                holder.stdin.write("now\n")
                holder.stdin.flush()
                assert holder.stdout.readline() == "held\n"
                wait_for(lambda: ask(probe_of(workers, 2), "/live")[0] == 503)
                workers.processes[2].kill()
                holder.kill()  # whose it is while it is held
                holder.wait()
                workers.kill(2)
                workers.start(2)

            same_as_quiet("a worker's loop stands still", server, hold_until_it_is_restarted, at=1)
        finally:
            holder.kill()
            holder.wait()
        assert recoveries(server) >= 1


def test_a_front_end_that_pauses(tmp_path):
    with Workers(MODEL, layer_count(MODEL), 2) as workers, Waferd.of(tmp_path, CONFIG.format(tokens=tokens(workers))) as server:
        def pause():
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(5)
            server.process.send_signal(signal.SIGCONT)

        same_as_quiet("a process pauses", server, pause, at=1)


def test_a_second_front_end_is_refused_while_a_request_runs(tmp_path):
    with Workers(MODEL, layer_count(MODEL), 2) as workers, Relay(workers.addresses[2]) as relay:
        listed = tokens(workers, worker_patience_ms=120000)
        with Waferd.of(tmp_path, CONFIG.format(tokens=listed.replace(workers.addresses[2], relay.address))) as first:
            def start_another():
                with pytest.raises(RuntimeError, match="is alive"), Waferd.of(tmp_path, CONFIG.format(tokens=tokens(workers, worker_outage_ms=1500))):
                    pass

            same_as_quiet("two front ends name the same workers", first, while_held(relay, first, start_another), at=1)
            assert recoveries(first) == 0


def test_a_certificate_ends_while_a_request_runs(tmp_path):
    lab = Lab(tmp_path / "lab")
    valid_s = 20  # long enough for a loaded machine to start in
    lab.issue("worker/w", "--valid-s", str(valid_s))
    ends = time.monotonic() + valid_s
    quiet()
    with Workers(MODEL, layer_count(MODEL), 2, lab.flags) as workers, Waferd(configure(tmp_path, tokens(workers), lab, CONFIG)) as server:
        def stop_over_the_end():
            """For less than its silence would be noticed in."""
            workers.processes[2].send_signal(signal.SIGSTOP)
            time.sleep(max(ends + 0.6 - time.monotonic(), 0))
            workers.processes[2].send_signal(signal.SIGCONT)

        time.sleep(max(ends - 0.6 - time.monotonic(), 0))
        same_as_quiet("a certificate ends", server, stop_over_the_end, at=1)
        assert recoveries(server) == 0
