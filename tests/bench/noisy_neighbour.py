"""What one model's trouble costs another: the 50th and 99th percentile of how long requests of model `near` take, alone and while
model `far` is idle, stopped (SIGSTOP of a shard), dead (a killed shard) or overloaded (64 clients). Prints one Markdown table.

    python3 tests/bench/noisy_neighbour.py [--requests 200] [--rounds 3]

Workload: `near` has synthetic text, so that no core is what the two compete for (a model that computes takes CPU from all others on its
machine; that is the host's to share out); 32 tokens, greedy, one request after the other, the clock as fast as the wall.
`far` is the demo model on three worker processes; the overload is of a third model with synthetic text, each of whose clients asks
again at once. States take turns round after round, each after a pause; the table has the percentiles over all rounds, and p99 relative
to that of the idle state.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import BIN, Waferd, Workers, layer_count, post  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
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


def ask(server, model, tokens):
    body = {"model": model, "prompt": "Once there was a baker who", "temperature": 0, "max_tokens": tokens}
    with contextlib.suppress(urllib.error.HTTPError, OSError):
        post(server.http, "/v1/completions", body)


@contextlib.contextmanager
def clients(server, model, count):
    """So many clients that ask again and again, in a process of their own: threads here would share Python's lock with what is timed."""
    command = [BIN / "waferctl", "bench", "run", "--server", server.http, "--model", model, "--concurrency", str(count),
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
            stack.enter_context(clients(server, "far", 8))
        if state == "stopped":
            os.kill(shard, signal.SIGSTOP)
        if state == "dead":
            workers.kill(1)
        if state == "overloaded":
            stack.enter_context(clients(server, "busy", 64))
        time.sleep(0.5)
        try:
            yield
        finally:
            if state == "stopped":
                os.kill(shard, signal.SIGCONT)
            if state == "dead":
                workers.start(1)
    time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200, help="in each state and round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    states = {"idle": [], "stopped": [], "dead": [], "overloaded": []}
    with tempfile.TemporaryDirectory() as folder, Workers(MODEL, layer_count(MODEL), 2) as workers:
        config = pathlib.Path(folder) / "cloud.yaml"
        config.write_text(CONFIG.format(model=MODEL, tokens=workers.tokens))
        with Waferd(config) as server:
            for _ in range(arguments.rounds):
                for state, seconds in states.items():
                    with trouble(state, server, workers):
                        for _ in range(arguments.requests):
                            begin = time.perf_counter()
                            ask(server, "near", 32)
                            seconds.append(time.perf_counter() - begin)
    rows = {state: sorted(seconds) for state, seconds in states.items()}
    idle = rows["idle"][len(rows["idle"]) * 99 // 100]
    print("| the other model is | p50, ms | p99, ms | p99 against idle |\n|---|---|---|---|")
    for state, seconds in rows.items():
        p99 = seconds[len(seconds) * 99 // 100]
        print(f"| {state} | {seconds[len(seconds) // 2] * 1e3:.1f} | {p99 * 1e3:.1f} | {p99 / idle - 1:+.1%} |")


if __name__ == "__main__":
    main()
