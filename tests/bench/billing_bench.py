#!/usr/bin/env python3
"""What recording usage costs: the demo model at 64 streams of 64 tokens, with each database against none, and none against none.

    tests/bench/billing_bench.py [--rounds 12] [--turns 16] [--seconds 0.6] [--kinds none,process,power,postgresql]

Both servers of a pair are under load all the time and take turns: one is stopped (SIGSTOP) while the other runs, so that what else the
machine does falls on both. There are more clients than the 64 streams that a server runs at once, so that a client that still waits for the
end of its answer leaves no gap: that wait is measured apart. A turn gives tokens a second, and the CPU time of a token: of the server and its
database together. Where its memory happens to lie makes a server some per cent faster or slower for as long as it lives, so each round of turns has
servers of its own; a round gives the ratio of the medians. Printed are the rounds' mean and its standard error. Next to them the CPU time that the recording takes a request,
of the writer's thread and of PostgreSQL's processes, as a share of all that a request takes.

Then each server alone, with four more streams that measure how long an answer's end waits after its last token. Records a second: what the
database takes from record_bench (build its target first), which does nothing else.

The kind `none` is a second server that keeps no records: how far its ratio is from 1 is the machine's doing, in all of them.

As root the servers take precedence over other programs. Prints a line of JSON for each kind."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import BIN, ROOT, Metrics, Waferd, stream  # noqa: E402
from postgres import Postgres, programs  # noqa: E402

# A session is a scheduling group (Linux's autogroups); the number is its precedence.
GROUP = ["setsid", "sh", "-c", 'echo -20 2>/dev/null > /proc/self/autogroup; exec "$0" "$@"']

CLIENTS = "96"
ALONE_SECONDS = 12
PRICES = """
currency: USD
versions: [{effective: 2026-01-01T00:00:00Z, models: [{name: "*", input: "0.1", cached_input: "0.05", output: "0.1"}]}]
"""
CONFIG = """
{billing}
models:
  - name: waferline-demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{name: wafer, hardware: wse-3, profile: vendor-2024, max_running: 64}}]
    link: {{bytes_per_second: 5.0e+10, latency_us: 10}}
    tokens: {{from: shards, file: {model}, shards: 2}}
"""


def probe(url, waits, stopping):
    body = {"model": "waferline-demo", "prompt": "Once upon a time", "max_tokens": 16, "stream_options": {"include_usage": True}}
    while not stopping.is_set():
        last = None
        for at, event in stream(url, "/v1/completions", body):
            if event["choices"] and event["choices"][0].get("text"):
                last = at
            elif event.get("usage") and last is not None:
                waits.append((at - last) * 1000)


def cpu_seconds(pid):
    """[(name, CPU seconds so far)] of a process's threads."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [(task.joinpath("comm").read_text().strip(), int(task.joinpath("schedstat").read_text().split()[0]) / 1e9) for task in tasks]


def children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


class Server:
    """One that keeps records in one way."""

    def __init__(self, name, folder, billing, postgres=None):
        self.name, self.postgres = name, postgres
        self.config = pathlib.Path(folder) / f"{name}.yaml"
        self.config.write_text(CONFIG.format(billing=billing, model=ROOT / "deploy/models/demo.gguf"))
        self.waferd = Waferd(self.config)
        self.waferd.command = [*GROUP, *self.waferd.command]

    def database(self):
        """Its processes."""
        return [self.postgres.process.pid, *children(self.postgres.process.pid)] if self.postgres else []

    def count(self, what):
        return Metrics(self.waferd.http).sum(f"waferline_{what}_total")

    def figures(self):
        """Of what passed so far: requests, all CPU seconds, those of the writer, those of the database."""
        threads = cpu_seconds(self.waferd.pid)
        return [self.count("requests_finished"), sum(cpu for _, cpu in threads), sum(cpu for name, cpu in threads if name == "usage-writer"),
                sum(cpu for pid in self.database() for _, cpu in cpu_seconds(pid))]

    @contextlib.contextmanager
    def load(self):
        """64 streams at any time, for as long as the block lasts."""
        for pid in self.database():  # PostgreSQL makes a session, so a group, of each of its processes
            with contextlib.suppress(OSError):
                pathlib.Path(f"/proc/{pid}/autogroup").write_text("-20")
        command = [*GROUP, BIN / "waferctl", "bench", "run", "--server", self.waferd.http, "--num-prompts", "1000000", "--concurrency", CLIENTS,
                   "--output-tokens", "64", "--ignore-eos"]
        client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not self.count("generated_tokens"):
                time.sleep(0.05)
            time.sleep(1.5)  # the streams' ends come apart
            yield
        finally:
            self.waferd.process.send_signal(signal.SIGCONT)
            client.terminate()
            client.wait(30)

    def turn(self, seconds):
        """Tokens a second, and tokens a CPU second, while it runs by itself."""
        self.waferd.process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
        before, cpu_before, began = self.count("generated_tokens"), self.cpu(), time.monotonic()
        time.sleep(seconds)
        tokens, cpu = self.count("generated_tokens") - before, self.cpu() - cpu_before
        lasted = time.monotonic() - began
        self.waferd.process.send_signal(signal.SIGSTOP)
        return tokens / lasted, tokens / cpu

    def cpu(self):
        """Seconds so far, of the server and its database."""
        return sum(cpu for pid in (self.waferd.pid, *self.database()) for _, cpu in cpu_seconds(pid))


def mean(ratios):
    return {"mean": round(statistics.mean(ratios), 4), "standard_error": round(statistics.stdev(ratios) / len(ratios) ** 0.5, 4), "rounds": len(ratios)}


def round_of_turns(servers, options):
    """{name: tokens a second, tokens a CPU second} of servers that are started for this; all run, one at a time."""
    rates = {server.name: [] for server in servers}
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server.waferd)
        for server in servers:
            stack.enter_context(server.load())
            server.waferd.process.send_signal(signal.SIGSTOP)
        for _ in range(options.turns):
            for server in random.sample(servers, len(servers)):
                rates[server.name].append(server.turn(options.seconds))
    return {name: [statistics.median(values) for values in zip(*turns)] for name, turns in rates.items()}


def alone(server, options):
    waits, stopping = [], threading.Event()
    probes = [threading.Thread(target=probe, args=(server.waferd.http, waits, stopping)) for _ in range(4)]
    with server.load():
        for one in probes:
            one.start()
        before, tokens, began = server.figures(), server.count("generated_tokens"), time.monotonic()
        time.sleep(ALONE_SECONDS)
        tokens, lasted = server.count("generated_tokens") - tokens, time.monotonic() - began
        requests, cpu, writer, database = (now - then for now, then in zip(server.figures(), before))
        stopping.set()
        for one in probes:
            one.join()
    cuts = statistics.quantiles(waits, n=100)
    return {"tokens_per_second": round(tokens / lasted), "requests_per_second": round(requests / lasted, 1),
            "cpu_us_per_request": {"all": round((cpu + database) * 1e6 / requests), "writer": round(writer * 1e6 / requests, 1),
                                   "database": round(database * 1e6 / requests, 1), "share": round((writer + database) / (cpu + database), 4)},
            "end_wait_ms": {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "ends": len(waits)}}


def records_a_second(store, durability):
    """With 64 and with 4096 records in flight; None: it was not built."""
    program = BIN.parent / "bench" / "record_bench"
    if not program.exists():
        return None
    return {n: json.loads(subprocess.run([*GROUP, program, store, durability, n], check=True, capture_output=True, text=True).stdout)
            for n in ("64", "4096")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="of servers that are started for it")
    parser.add_argument("--turns", type=int, default=16, help="of each server in a round")
    parser.add_argument("--seconds", type=float, default=0.6, help="that a turn is measured")
    parser.add_argument("--kinds", default="none,process,power" + (",postgresql" if programs() else ""))
    options = parser.parse_args()
    if os.getpid() != os.getsid(0):
        os.execvp(GROUP[0], [GROUP[0], "--wait", *GROUP[1:], sys.executable, *sys.argv])
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="billing-bench-"))
        prices = pathlib.Path(folder) / "prices.yaml"
        prices.write_text(PRICES)
        kinds = options.kinds.split(",")
        postgres = stack.enter_context(Postgres()) if "postgresql" in kinds else None
        stores = {name: postgres.url if name == "postgresql" else f"sqlite:{folder}/{name}.db" for name in kinds}

        def start(name):
            if name in ("off", "none"):
                return Server(name, folder, "")
            durability = "" if name == "postgresql" else f"durability: {name}, "
            return Server(name, folder, f'billing: {{store: "{stores[name]}", {durability}prices: {prices}}}', postgres if name == "postgresql" else None)

        rounds = [round_of_turns([start(name) for name in random.sample(["off", *kinds], len(kinds) + 1)], options) for _ in range(options.rounds)]
        for name in ["off", *kinds]:
            by_time, by_cpu = (mean([one[name][what] / one["off"][what] for one in rounds]) for what in (0, 1))
            server = start(name)
            with server.waferd:
                line = {"kind": name, "tokens_of_off": by_time, "tokens_of_off_by_cpu": by_cpu, **alone(server, options)}
            if name not in ("off", "none"):
                line["records"] = records_a_second(stores[name], "power" if name == "power" else "process")
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
