"""What serving costs, through real sockets: tokens/s alone and with 16 streams, time to the first token, the cost of a hop between
shards in process and over TCP, and the front ends' own work per token. Prints one Markdown table.

    python3 tests/bench/serve_bench.py [--rounds 5]

Workload: the demo model, 64 completions of 128 tokens after 32 words, greedy, ignore_eos. The clock runs a million times too fast, so
that emulated time never holds a token back and what is left is this machine's own speed. Variants are run in turn, round after round,
and medians are shown with the least and the most.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from waferd import BIN, Waferd, Workers, layer_count  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
HEAD = """clock: {{kind: real, scale: 1.0e+6, spin_us: 0}}
models:
  - name: m
    shape: llama-3.1-8b
    {context}
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 64}}]
    tokens: {tokens}
"""
CPU_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def local(shards):
    return HEAD.format(context="", tokens=f"{{from: shards, file: {MODEL}, shards: {shards}, threads: 2}}")


def cheap():
    return HEAD.format(context="context: 8192", tokens=f"{{from: cheap, file: {MODEL}}}")


def remote(stack, shards):
    workers = stack.enter_context(Workers(MODEL, layer_count(MODEL), shards))
    return HEAD.format(context="", tokens=workers.tokens)


def serve(stack, config):
    path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bench.yaml"
    path.write_text(config)
    return stack.enter_context(Waferd(path))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * CPU_TICK_SECONDS


def measure(server, streams, grpc=False, requests=64, tokens=128):
    address = f"grpc://{server.grpc}" if grpc else server.http
    before = cpu_seconds(server.pid)
    out = subprocess.run([BIN / "waferctl", "bench", "run", "--server", address, "--model", "m", "--json",
                          "--concurrency", str(streams), "--num-prompts", str(requests), "--input-words", "32",
                          "--output-tokens", str(tokens), "--ignore-eos", "--temperature", "0"],
                         capture_output=True, check=True)
    report = json.loads(out.stdout)
    assert report["failed"] == 0, report
    return {"tokens_per_s": report["output_throughput"], "ttft_ms": report["median_ttft_ms"],
            "us_per_token": 1e6 / report["output_throughput"],
            "cpu_us_per_token": (cpu_seconds(server.pid) - before) / (requests * tokens) * 1e6}


def show(name, values, unit):
    print(f"| {name} | {statistics.median(values):.4g} {unit} | {min(values):.4g} to {max(values):.4g} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        servers = {"one": serve(stack, local(1)), "two": serve(stack, local(2)), "cheap": serve(stack, cheap()),
                   "tcp one": serve(stack, remote(stack, 1)), "tcp two": serve(stack, remote(stack, 2))}
        runs = {}
        for _ in range(rounds):
            for name, call in {
                "one, 1": lambda: measure(servers["one"], 1, requests=16),
                "two, 1": lambda: measure(servers["two"], 1, requests=16),
                "tcp one, 1": lambda: measure(servers["tcp one"], 1, requests=16),
                "tcp two, 1": lambda: measure(servers["tcp two"], 1, requests=16),
                "one, 16": lambda: measure(servers["one"], 16),
                "one, 16, grpc": lambda: measure(servers["one"], 16, grpc=True),
                "http": lambda: measure(servers["cheap"], 16),
                "grpc": lambda: measure(servers["cheap"], 16, grpc=True),
            }.items():
                runs.setdefault(name, []).append(call())

        def each(name, key):
            return [run[key] for run in runs[name]]

        def hop(more, less):  # pair by pair
            return [a - b for a, b in zip(each(more, "us_per_token"), each(less, "us_per_token"))]

        print("| what | median | range |\n|---|---|---|")
        show("one stream, HTTP", each("one, 1", "tokens_per_s"), "tokens/s")
        show("16 streams, HTTP", each("one, 16", "tokens_per_s"), "tokens/s")
        show("16 streams, gRPC", each("one, 16, grpc", "tokens_per_s"), "tokens/s")
        show("time to the first token, one stream", each("one, 1", "ttft_ms"), "ms")
        show("a hop to the next shard, in process", hop("two, 1", "one, 1"), "us a token")
        show("a hop to the next shard, over TCP", hop("tcp two, 1", "tcp one, 1"), "us a token")
        show("server CPU per token without any model, HTTP, 16 streams", each("http", "cpu_us_per_token"), "us")
        show("server CPU per token without any model, gRPC, 16 streams", each("grpc", "cpu_us_per_token"), "us")


if __name__ == "__main__":
    main()
