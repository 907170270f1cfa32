"""A worker's own port: /live, /ready and /metrics, also of a worker whose loop stands still."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from cloud import BIN, ROOT, Waferd, Workers, layer_count, post

MODEL = ROOT / "deploy/models/demo.gguf"


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def probe_of(workers, number):
    return json.loads((workers.ports(number)).read_text())["probe"]


def metric(port, name):
    return float(re.search(rf"^{name} (\S+)$", ask(port, "/metrics")[1], re.M).group(1))


def wait_for(condition, seconds=60):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended
        time.sleep(0.05)


def test_workers_say_how_they_are(tmp_path):
    with Workers(MODEL, layer_count(MODEL), 2, ["--probe", "127.0.0.1:0"]) as workers:
        for number in range(3):
            port = probe_of(workers, number)
            wait_for(lambda port=port: ask(port, "/ready")[0] == 200)
            code, body = ask(port, "/live")
            assert code == 200 and json.loads(body)["status"] == "ready"
            assert ask(port, "/nothing")[0] == 404
            assert metric(port, "waferline_worker_owned") == 0
        config = tmp_path / "cloud.yaml"
        config.write_text("models:\n  - name: far\n    shape: llama-3.1-8b\n    prefill: {hardware: h100}\n"
                          f"    decode: [{{hardware: wse-3, profile: vendor-2024}}]\n    tokens: {workers.tokens}\n")
        with Waferd(config) as server:
            post(server.http, "/v1/completions", {"model": "far", "prompt": "a", "max_tokens": 4})
            for number in range(3):
                wait_for(lambda number=number: metric(probe_of(workers, number), "waferline_worker_owned") == 1)
                wait_for(lambda number=number: metric(probe_of(workers, number), "waferline_worker_progress_age_seconds") < 5)


def test_a_worker_that_does_not_progress_is_not_live():
    """The loop's thread alone is stopped, by a debugger's means; the probe's thread answers."""
    with Workers(MODEL, layer_count(MODEL), 1, ["--probe", "127.0.0.1:0"]) as workers:
        port = probe_of(workers, 1)
        wait_for(lambda: ask(port, "/ready")[0] == 200)
        pid = workers.processes[1].pid
        holder = subprocess.Popen([sys.executable, ROOT / "tests/support/hold_thread.py", str(pid)],
                                  stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        try:
            if holder.stdout.readline() != "held\n":
                pytest.skip("ptrace is not allowed here")
            wait_for(lambda: ask(port, "/live")[0] == 503)
            assert json.loads(ask(port, "/live")[1])["status"] == "stuck"
            assert metric(port, "waferline_worker_progress_age_seconds") > 10
        finally:
            holder.stdin.close()
            holder.wait(20)
        wait_for(lambda: ask(port, "/live")[0] == 200)


def test_what_is_no_address_is_refused():
    done = subprocess.run([BIN / "waferd", "--role", "prefill", "--model", MODEL, "--probe", "nowhere"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and "--probe is" in done.stderr
