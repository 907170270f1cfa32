"""What one model's trouble costs another: how long requests of model `near` take while model `far` is stopped (SIGSTOP of a shard), dead
(a killed shard) or overloaded (64 clients), against the idle state just before or after. Prints one Markdown table.

    python3 tests/bench/noisy_neighbour.py [--requests 100] [--rounds 12] [--states stopped dead]

Workload: `near` has synthetic text, so that no core is what the two compete for (a model that computes takes CPU from all others on its
machine; that is the host's to share out); 32 tokens, greedy, one request after the other on one connection, the clock as fast as the wall.
`far` is the demo model on three worker processes, asked 20 times a second; the overload is of a third model with synthetic text, each of whose
clients asks again at once. Each round has a pair of idle and troubled for each state, in turn the one and the other first. `emulated` is what the
answers say the emulated hardware took (time_info), `wall` what this client waited: clients and their server share this machine's cores. A
cell is the median over the rounds of the 99th percentile of a round, and of its ratio to the idle one with what that may be (95 %).
"""

import argparse
import contextlib
import http.client
import json
import math
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import BIN, Waferd, Workers, get, layer_count  # noqa: E402
from medians import median_between  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
STATES = ("idle", "stopped", "dead", "overloaded")  # idle against itself: what such a pair says of nothing
CONFIG = """clock: {{kind: real}}
models:
  - name: near
    shape: llama-3.1-8b
    context: 8192
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: cheap, file: {model}}}
  - name: busy
    shape: llama-3.1-8b
    context: 8192
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 8}}]
    tokens: {{from: cheap, file: {model}}}
  - name: far
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""


def times(server, count):
    """Of so many requests of `near`: [(wall seconds, emulated seconds)]."""
    connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=60)
    body = json.dumps({"model": "near", "prompt": "Once there was a baker who", "temperature": 0, "max_tokens": 32, "ignore_eos": True})
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        answer = json.load(reply)
        assert reply.status == 200, answer
        seconds.append((time.perf_counter() - begin, answer["time_info"]["total_time"]))
    connection.close()
    return seconds


@contextlib.contextmanager
def clients(server, model, *load):
    """Clients that ask all the time, in a process of their own: threads here would share Python's lock with what is timed."""
    command = [BIN / "waferctl", "bench", "run", "--server", server.http, "--model", model, *map(str, load),
               "--num-prompts", "10000000", "--output-tokens", "16"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def trouble(state, server, workers):
    shard = workers.processes[1].pid
    with contextlib.ExitStack() as stack:
        if state in ("stopped", "dead"):
            stack.enter_context(clients(server, "far", "--rate", 20))
        if state == "stopped":
            os.kill(shard, signal.SIGSTOP)
        if state == "dead":
            workers.kill(1)
        if state == "overloaded":
            stack.enter_context(clients(server, "busy", "--concurrency", 64))
        time.sleep(0.5)
        try:
            yield
        finally:
            if state == "stopped":
                os.kill(shard, signal.SIGCONT)
            if state == "dead":
                workers.start(1)
    end = time.monotonic() + 60
    while state != "before" and json.loads(get(server.http + "/health")) != {"status": "ok"} and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)


def p99(seconds):
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100, help="in each half of a pair")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--states", nargs="+", default=STATES, choices=STATES)
    arguments = parser.parse_args()
    states = arguments.states
    pairs = {state: [] for state in states}  # [((wall, emulated) of idle, of the state)]
    with tempfile.TemporaryDirectory() as folder, Workers(MODEL, layer_count(MODEL), 2) as workers:
        config = pathlib.Path(folder) / "cloud.yaml"
        config.write_text(CONFIG.format(model=MODEL, tokens=workers.tokens))
        with Waferd(config) as server:
            times(server, arguments.requests)
            for number in range(arguments.rounds):
                for state in states:
                    half = {}
                    for of in ("before", state) if number % 2 else (state, "before"):
                        with trouble(of, server, workers):
                            half[of] = [p99(column) for column in zip(*times(server, arguments.requests))]
                    pairs[state].append((half["before"], half[state]))
    print("| the other model is | emulated p99, ms (idle) | wall p99, ms (idle) | wall p99 against idle |\n|---|---|---|---|")
    for state, halves in pairs.items():
        wall, emulated = ([statistics.median(half[which][column] for half in halves) * 1e3 for which in (1, 0)] for column in (0, 1))
        ratio, low, high = median_between([with_it[0] / without[0] - 1 for without, with_it in halves])
        print(f"| {state} | {emulated[0]:.2f} ({emulated[1]:.2f}) | {wall[0]:.2f} ({wall[1]:.2f}) | {ratio:+.1%} ({low:+.1%} to {high:+.1%}) |")


if __name__ == "__main__":
    main()
