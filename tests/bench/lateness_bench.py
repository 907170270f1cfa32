"""How late tokens leave, and reach their clients, with many streams at once: on the real clock, through real sockets.

    python3 tests/bench/lateness_bench.py [--streams 256] [--scale 1,0.1,0.02]

Workload: the demo model, as many streams at once as asked, each of 64 tokens after 32 words, greedy, ignore_eos, four times over, by
gRPC. At scale s a second of the emulated hardware takes 1/s on the wall. At scale 1 the hardware would be faster than this machine can
compute the tokens, and the lateness is the wait for them; scaled down until values come in time, what is left is the runtime's own.

For each scale: lateness of every token as the server measures it when it hands the token over (the histogram
waferline_token_lateness_seconds, interpolated within a bucket) and as the client sees it (when the token came since its request was
sent, less its emulated instant).
"""

import argparse
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import Metrics, Waferd, waferctl_json  # noqa: E402

CONFIG = """clock: {{kind: real, scale: {scale}}}
models:
  - name: m
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: {streams}}}]
    tokens: {{from: shards, file: {model}, shards: 2, threads: 2, max_batch: {streams}}}
"""


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(scale, streams):
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "bench.yaml"
        config.write_text(CONFIG.format(scale=scale, streams=streams, model=ROOT / "deploy/models/demo.gguf"))
        log = pathlib.Path(folder) / "requests.jsonl"
        with Waferd(config) as server:
            report = waferctl_json("bench", "run", "--server", server.doors["grpc"], "--concurrency", streams, "--num-prompts", 4 * streams,
                                   "--output-tokens", 64, "--ignore-eos", "--temperature", 0, "--requests", log, "--json")
            metrics = Metrics(server.http)
        late = []
        for line in log.read_text().splitlines():
            record = json.loads(line)
            late += [came - emulated / scale for came, emulated in zip(record["token_ms"], record["emulated_token_ms"])]
    name = "waferline_token_lateness_seconds"
    server_ms = [1e3 * metrics.quantile(name, share) for share in (0.5, 0.99)]
    blocked = metrics.sum("waferline_host_blocked_seconds_total") if "waferline_host_blocked_seconds_total" in metrics.names() else 0
    print(f"| {scale:g} | {report['output_throughput']:.0f} | {server_ms[0]:.3f} | {server_ms[1]:.3f} | {percentile(late, 0.5):.3f} "
          f"| {percentile(late, 0.99):.3f} | {min(late):.3f} | {blocked:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--scale", default="1,0.1,0.02")
    arguments = parser.parse_args()
    print(f"{arguments.streams} streams; lateness in ms of wall time\n")
    print("| scale | tokens/s | server p50 | server p99 | client p50 | client p99 | client min | blocked s |")
    print("|---|---|---|---|---|---|---|---|")
    for scale in arguments.scale.split(","):
        measure(float(scale), arguments.streams)


if __name__ == "__main__":
    main()
