"""What belonging to a cell and being watched cost when nothing happens: heartbeats of links, and scrapes of /metrics.

    python3 tests/bench/cell_costs.py [ROUNDS]

Heartbeats: CPU time a second of a server and its worker processes (the demo model, one layer a process), idle, in turn with that of a
server that has the shards in its own process and so no links. Under load links carry no heartbeats: something else was sent.
Scrapes: CPU time of the server and bytes, for a fleet of UNITS decode units before any of them worked (their stages are one series each)
and after all did; in turn with scrapes of one and of three names. Each figure is the median of ROUNDS.
"""

import concurrent.futures
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import ROOT, Metrics, Waferd, Workers, cpu_seconds, get, layer_count, post  # noqa: E402
from medians import median_between  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
UNITS = 128
IDLE_SECONDS = 3
SCRAPES = 10  # of a round
QUERIES = {"all": "", "one name": "?name[]=vllm:num_requests_waiting",
           "three names": "?name[]=vllm:num_requests_waiting&name[]=vllm:num_requests_running&name[]=vllm:kv_cache_usage_perc"}
CONFIG = """models:
  - name: m
    shape: llama-3.1-8b
    context: 1024
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, units: {units}, max_running: {running}}}]
    tokens: {tokens}
"""


def start(folder, name, units, tokens, running=16):
    path = pathlib.Path(folder) / f"{name}.yaml"
    path.write_text(CONFIG.format(units=units, running=running, tokens=tokens))
    return Waferd(path)


def idle(pids):
    before, begin = cpu_seconds(*pids), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(*pids) - before) / (time.monotonic() - begin)


def heartbeats(folder, rounds):
    layers = layer_count(MODEL)
    links = (layers + 1) + (layers - 1) + layers  # of the driver to all, of neighbours, of the prefill worker to shards
    with Workers(MODEL, layers, layers) as workers, start(folder, "cell", 1, workers.tokens) as cell, \
            start(folder, "alone", 1, f"{{from: shards, file: {MODEL}, shards: {layers}}}") as alone:
        members = [cell.pid, *(process.pid for process in workers.processes)]
        pairs = [(idle(members), idle([alone.pid])) for _ in range(rounds)]
    with_links, without = (statistics.median(side) for side in zip(*pairs))
    each, low, high = median_between([1e6 * (a - b) / links for a, b in pairs])
    print(f"idle, {links} links of {len(members)} processes: {1e3 * with_links:.2f} ms CPU a second; one process without links: "
          f"{1e3 * without:.2f} ms; a link {each:.0f} us a second ({low:.0f} to {high:.0f}, 95 %; medians of {rounds})", flush=True)


def scrape(server, query):
    """CPU microseconds and bytes of a scrape; each is made, none is shared within 20 ms."""
    before, size = cpu_seconds(server.pid), 0
    for _ in range(SCRAPES):
        size = len(get(f"{server.http}/metrics{query}"))
        time.sleep(0.03)
    return 1e6 * (cpu_seconds(server.pid) - before) / SCRAPES, size


def scrapes(folder, rounds):
    with start(folder, "fleet", UNITS, f"{{from: cheap, file: {MODEL}}}", running=1) as server:
        for state in ("before a unit worked", "after all did"):
            turns = [[scrape(server, query) for query in QUERIES.values()] for _ in range(rounds)]
            for what, seen in zip(QUERIES, zip(*turns)):
                cost, low, high = median_between([cost for cost, _ in seen])
                print(f"scrape of {UNITS} units {state}, {what}: {cost:.0f} us CPU ({low:.0f} to {high:.0f}, 95 %; median of {rounds}), "
                      f"{seen[-1][1]:,} bytes", flush=True)
            body = {"model": "m", "prompt": "x", "max_tokens": 200, "ignore_eos": True}
            while any(busy == 0 for busy in busy_of_units(server)):
                with concurrent.futures.ThreadPoolExecutor(2 * UNITS) as pool:
                    list(pool.map(lambda _: post(server.http, "/v1/completions", body), range(2 * UNITS)))


def busy_of_units(server):
    sums = {}
    for name, labels, value in Metrics(server.http).samples:
        if name == "waferline_emulated_stage_busy_seconds_total":
            sums[labels["unit"]] = sums.get(labels["unit"], 0) + value
    return sums.values()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        scrapes(scratch, int(sys.argv[1]) if len(sys.argv) > 1 else 5)
        heartbeats(scratch, int(sys.argv[1]) if len(sys.argv) > 1 else 5)
