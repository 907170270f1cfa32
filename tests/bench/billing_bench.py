#!/usr/bin/env python3
"""What recording usage costs: tokens/s of the demo model at 64 streams with each database against none, in turn (a round is one run of
each), and how long an answer's end waits after its last token, from four more streams that run with the load. Also the CPU time a
request takes, of waferd and (PostgreSQL) of the database's processes, which says the same where other programs share the cores.

    tests/bench/billing_bench.py [--rounds 5] [--requests 512]

Prints a line for each kind: the medians of tokens/s and of CPU microseconds a request, their ratios to the round's run without, and the
waits' p50 and p99 in ms."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import BIN, ROOT, Metrics, Waferd, stream  # noqa: E402
from postgres import Postgres, programs  # noqa: E402

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
    decode: [{{name: wafer, hardware: wse-3, profile: vendor-2024, max_running: 128}}]
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
    """Of a process, and of children that it has waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def database_seconds(postgres):
    pid = postgres.process.pid
    return cpu_seconds(pid) + sum(cpu_seconds(child) for child in children(pid))


def run(folder, billing, requests, postgres):
    path = pathlib.Path(folder) / "bench.yaml"
    path.write_text(CONFIG.format(billing=billing, model=ROOT / "deploy/models/demo.gguf"))
    waits, stopping = [], threading.Event()
    with Waferd(path) as server:
        probes = [threading.Thread(target=probe, args=(server.http, waits, stopping)) for _ in range(4)]
        for one in probes:
            one.start()
        command = [BIN / "waferctl", "bench", "run", "--server", server.http, "--num-prompts", str(requests), "--concurrency", "64",
                   "--output-tokens", "64", "--ignore-eos", "--json"]
        def figures():
            metrics, database = Metrics(server.http), database_seconds(postgres) if postgres else 0
            ended = metrics.sum("waferline_requests_finished_total")
            return metrics.sum("waferline_generated_tokens_total"), ended, cpu_seconds(server.pid), database, time.monotonic()
        before = figures()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        tokens, ended, cpu, database, lasted = (now - then for now, then in zip(figures(), before))
        rate = tokens / lasted
        stopping.set()
        for one in probes:
            one.join()
    return rate, (cpu + database) * 1e6 / ended, waits


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as folder, Postgres() if programs() else tempfile.TemporaryDirectory() as postgres:
        prices = pathlib.Path(folder) / "prices.yaml"
        prices.write_text(PRICES)
        kinds = {"off": "", "sqlite, process": f'billing: {{store: "sqlite:{folder}/a.db", prices: {prices}}}',
                 "sqlite, power": f'billing: {{store: "sqlite:{folder}/b.db", durability: power, prices: {prices}}}'}
        if programs():
            kinds["postgresql"] = f'billing: {{store: "{postgres.url}", prices: {prices}}}'
        rates, costs, waits, ratios, cpu_ratios = ({k: [] for k in kinds} for _ in range(5))
        for _ in range(options.rounds):
            for kind, billing in kinds.items():
                rate, cost, waited = run(folder, billing, options.requests, postgres if kind == "postgresql" else None)
                rates[kind].append(rate)
                costs[kind].append(cost)
                waits[kind] += waited
                ratios[kind].append(rate / rates["off"][-1])
                cpu_ratios[kind].append(cost / costs["off"][-1])
    for kind in kinds:
        cuts = statistics.quantiles(waits[kind], n=100)
        print(json.dumps({"kind": kind, "tokens_per_second": round(statistics.median(rates[kind])),
                          "of_off": round(statistics.median(ratios[kind]), 3), "cpu_us": round(statistics.median(costs[kind])),
                          "cpu_of_off": round(statistics.median(cpu_ratios[kind]), 3), "end_wait_ms_p50": round(cuts[49], 2),
                          "end_wait_ms_p99": round(cuts[98], 2), "ends": len(waits[kind])}))


if __name__ == "__main__":
    main()
