"""What serving costs, through real sockets: tokens/s alone and with 16 streams, time to the first token, the cost of a hop between
shards in process and over TCP, and the front ends' own work per token. Prints one Markdown table.

    python3 tests/bench/serve_bench.py [--rounds 5]

Workload: the demo model, completions of 128 tokens after 32 words, greedy, ignore_eos. The clock runs a million times too fast, so that
emulated time never holds a token back and what is left is this machine's own speed. Variants are run in turn, round after round, and
medians are shown with minimum and maximum. A hop is what a token takes longer with one shard for each layer than with one shard,
divided by the hops, with one thread that computes. Next to the hop over TCP is what the kernel takes to move so many bytes from one
process to another over loopback (half a round trip between two Python processes). The front ends' work is the server's CPU time a
token where the text is a stand-in and 16 streams run at the emulated speed, so that nearly every token is an event of its own: engine,
codec and sockets, no model.
"""

import argparse
import contextlib
import os
import pathlib
import socket
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import Waferd, Workers, cpu_seconds, layer_count, model_shape, waferctl_json  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
AT_ONCE = "1.0e+6"
HEAD = """clock: {{kind: real, scale: {scale}, spin_us: 0}}
models:
  - name: m
    shape: llama-3.1-8b
    {context}
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 64}}]
    tokens: {tokens}
"""


def local(shards, threads):
    return HEAD.format(scale=AT_ONCE, context="", tokens=f"{{from: shards, file: {MODEL}, shards: {shards}, threads: {threads}}}")


def cheap():
    return HEAD.format(scale=1, context="context: 8192", tokens=f"{{from: cheap, file: {MODEL}}}")


def remote(stack, shards):
    workers = stack.enter_context(Workers(MODEL, layer_count(MODEL), shards))
    return HEAD.format(scale=AT_ONCE, context="", tokens=workers.tokens)


def serve(stack, config):
    path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bench.yaml"
    path.write_text(config)
    return stack.enter_context(Waferd(path))


def measure(server, streams, grpc=False, requests=64, tokens=128):
    before = cpu_seconds(server.pid)
    report = waferctl_json("bench", "run", "--server", server.doors["grpc" if grpc else "http"], "--model", "m", "--json",
                           "--concurrency", streams, "--num-prompts", requests, "--input-words", 32, "--output-tokens", tokens,
                           "--ignore-eos", "--temperature", 0)
    assert report["failed"] == 0, report
    return {"tokens_per_s": report["output_throughput"], "ttft_ms": report["median_ttft_ms"],
            "us_per_token": 1e6 / report["output_throughput"],
            "cpu_us_per_token": (cpu_seconds(server.pid) - before) / (requests * tokens) * 1e6}


def loopback_us(bytes_sent, turns=5000):
    """One way over loopback TCP between two processes: half of the median round trip."""
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        with socket.create_connection(listener.getsockname()) as echo:
            echo.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := echo.recv(bytes_sent, socket.MSG_WAITALL):
                echo.sendall(data)
        os._exit(0)
    with listener, listener.accept()[0] as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(turns):
            begin = time.perf_counter_ns()
            peer.sendall(bytes(bytes_sent))
            peer.recv(bytes_sent, socket.MSG_WAITALL)
            times.append(time.perf_counter_ns() - begin)
    os.waitpid(child, 0)
    return statistics.median(times) / 2000


def show(name, values, unit):
    print(f"| {name} | {statistics.median(values):.4g} {unit} | {min(values):.4g} to {max(values):.4g} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    shape = model_shape(MODEL)
    layers, width = shape["layers"], shape["hidden"]
    hops = layers - 1
    with contextlib.ExitStack() as stack:
        servers = {"demo": serve(stack, local(2, threads=2)), "cheap": serve(stack, cheap()),
                   "one": serve(stack, local(1, threads=1)), "each": serve(stack, local(layers, threads=1)),
                   "tcp one": serve(stack, remote(stack, 1)), "tcp each": serve(stack, remote(stack, layers))}
        runs = {}
        for _ in range(rounds):
            for name, call in {
                "alone": lambda: measure(servers["demo"], 1, requests=16),
                "one": lambda: measure(servers["one"], 1, requests=16),
                "each": lambda: measure(servers["each"], 1, requests=16),
                "tcp one": lambda: measure(servers["tcp one"], 1, requests=16),
                "tcp each": lambda: measure(servers["tcp each"], 1, requests=16),
                "16": lambda: measure(servers["demo"], 16),
                "16, grpc": lambda: measure(servers["demo"], 16, grpc=True),
                "http": lambda: measure(servers["cheap"], 16, requests=48, tokens=1024),
                "grpc": lambda: measure(servers["cheap"], 16, grpc=True, requests=48, tokens=1024),
                "loopback": lambda: {"us": loopback_us(width * 4)},
            }.items():
                runs.setdefault(name, []).append(call())

        def each(name, key):
            return [run[key] for run in runs[name]]

        def hop(more, less):  # pair by pair
            return [(a - b) / hops for a, b in zip(each(more, "us_per_token"), each(less, "us_per_token"))]

        print("| what | median | range |\n|---|---|---|")
        show("one stream, HTTP", each("alone", "tokens_per_s"), "tokens/s")
        show("16 streams, HTTP", each("16", "tokens_per_s"), "tokens/s")
        show("16 streams, gRPC", each("16, grpc", "tokens_per_s"), "tokens/s")
        show("time to the first token, one stream", each("alone", "ttft_ms"), "ms")
        show("a hop to the next shard, in process", hop("each", "one"), "us a token")
        show("a hop to the next shard, over TCP", hop("tcp each", "tcp one"), "us a token")
        show(f"the kernel alone, {width * 4} bytes over loopback TCP", each("loopback", "us"), "us")
        show("server CPU per token without a model, HTTP, 16 streams", each("http", "cpu_us_per_token"), "us")
        show("server CPU per token without a model, gRPC, 16 streams", each("grpc", "cpu_us_per_token"), "us")


if __name__ == "__main__":
    main()
