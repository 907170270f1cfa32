"""Two cells (a server, its shards of one layer each and two prefill workers) whose worker processes are killed and stopped at random
while traces run on both: no request is lost, no token, emulated time or digest differs from a quiet run's.

WAFERLINE_CHAOS_SHARDS (16, of both cells together), WAFERLINE_CHAOS_SECONDS (10) and WAFERLINE_CHAOS_SEED make it larger or another one.
"""

import concurrent.futures
import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from cloud import BIN, Metrics, Waferd, Workers, get, stream
from quiet_run import report

SHARDS = int(os.environ.get("WAFERLINE_CHAOS_SHARDS", "16"))
SECONDS = float(os.environ.get("WAFERLINE_CHAOS_SECONDS", "10"))
SEED = int(os.environ.get("WAFERLINE_CHAOS_SEED", str(random.randrange(10**6))))
LAYERS = SHARDS // 2
REQUESTS = 64
CONFIG = """clock: {{kind: stepped}}
models:
  - name: far
    shape: llama-3.1-8b
    context: 256
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 8}}]
    tokens: {tokens}
"""


def one(server, number, first_token):
    body = {"model": "far", "prompt": [number + 7 * k % 250 for k in range(10 + number)], "temperature": 0.8, "seed": number,
            "max_tokens": 120 + number, "ignore_eos": True, "logprobs": 0,
            "waferline": {"arrival_ns": 1_000_000 * (number + 1), "arrival_number": number, "last_arrival": number == REQUESTS - 1,
                          "instants": True}}
    text, instants = "", []
    for _, event in stream(server.http, "/v1/completions", body):
        instants += event.get("waferline", {}).get("instants_ns", [])
        if instants:
            first_token.set()
        text += "".join(choice["text"] for choice in event["choices"])
    assert len(instants) == 120 + number
    return text, instants


def run(server, first_token):
    with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        answers = list(pool.map(lambda number: one(server, number, first_token), range(REQUESTS)))
    return answers, json.loads(get(server.http + "/admin/load"))["schedule_digest"]


class Chaos(threading.Thread):
    """Kills a worker (it is started again at its address) or stops it for up to 4 s, one after the other. The first event is the
    kill of a shard of the cell whose first token a client has just read, so that at least one sequence must be computed again."""

    def __init__(self, cells):
        super().__init__()
        self.cells, self.draw, self.events, self.over = cells, random.Random(SEED), [], threading.Event()
        self.first_token = threading.Event()

    def run(self):
        self.first_token.wait(120)
        end = time.monotonic() + SECONDS
        while not self.over.is_set() and time.monotonic() < end:
            first = not self.events
            workers = self.cells[0] if first else self.draw.choice(self.cells)
            number = self.draw.randrange(1 if first else 0, len(workers.processes))
            kill = first or self.draw.random() < 0.6
            self.events.append(("kill" if kill else "stop", number))
            if kill:
                workers.kill(number)
                workers.start(number)
            else:
                os.kill(workers.processes[number].pid, signal.SIGSTOP)
                time.sleep(self.draw.uniform(0.1, 4))
                os.kill(workers.processes[number].pid, signal.SIGCONT)
            time.sleep(self.draw.uniform(0, 0.5))


@pytest.fixture(name="model", scope="module")
def written_model(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "deep.gguf"
    subprocess.run([BIN / "random_model", "llama", "Q8_0", file, f"layers={LAYERS}", "hidden=64"], check=True)
    return file


def start(stack, folder, tokens):
    config = folder / f"{len(list(folder.iterdir()))}.yaml"
    config.write_text(CONFIG.format(tokens=tokens))
    return stack.enter_context(Waferd(config))


def test_nothing_is_lost_or_altered(model, tmp_path):
    print(f"WAFERLINE_CHAOS_SEED={SEED}")
    with contextlib.ExitStack() as stack:
        quiet = run(start(stack, tmp_path, f"{{from: shards, file: {model}, shards: 1}}"), threading.Event())
    with contextlib.ExitStack() as stack:
        cells = [stack.enter_context(Workers(model, LAYERS, LAYERS, prefill=2)) for _ in range(2)]
        servers = [start(stack, tmp_path, cell.tokens.replace("{from: remote", "{from: remote, worker_outage_ms: 60000"))
                   for cell in cells]
        chaos = Chaos(cells)
        chaos.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                got = list(pool.map(run, servers, [chaos.first_token, threading.Event()]))
        finally:
            chaos.over.set()
            chaos.join()
        assert got == [quiet, quiet], chaos.events
        report("anything of these at random", quiet, 0)
        recoveries = [Metrics(server.http).sum("waferline_host_recoveries_total") for server in servers]
        print(f"{len(chaos.events)} events, {recoveries} sequences computed again: {chaos.events}")
        assert recoveries[0] > 0, chaos.events
        assert all(Metrics(server.http).sum("waferline_restarts_total") == 0 for server in servers)
