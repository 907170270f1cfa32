"""What computing attention and feed-forward parts apart costs on one machine: decode tokens/s of split variants over those of the same
model on one shard with as many threads, on two cores. Prints one Markdown table.

    python3 tests/bench/split_bench.py [MODEL.gguf] [--rounds 5] [--streams 1 16]

Workload: completions of 64 tokens after 8 words, greedy, ignore_eos; the clock runs a million times too fast. Each split variant is
measured right after the unsplit server, round after round, and the median of the pairs' quotients is shown with minimum and maximum;
"CPU": the same of the CPU time that all processes of the variant took for a token, which other work on the machine disturbs less.
"apart, in process" has two threads, one a side; "as processes" one attention and one feed-forward process with one thread each, and a
prefill process. m: micro-batches.
"""

import argparse
import contextlib
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import SplitWorkers, Waferd, cpu_seconds, layer_count, waferctl_json  # noqa: E402

CONFIG = """clock: {{kind: real, scale: 1.0e+6, spin_us: 0}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 512
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 64}}]
    tokens: {tokens}
"""


def serve(stack, tokens):
    path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bench.yaml"
    path.write_text(CONFIG.format(tokens=tokens))
    return stack.enter_context(Waferd(path))


def measure(server, pids, streams):
    """Tokens a second, CPU seconds a token."""
    before = cpu_seconds(*pids)
    report = waferctl_json("bench", "run", "--server", server.http, "--model", "m", "--json", "--concurrency", streams, "--num-prompts",
                           max(16, 4 * streams), "--input-words", 8, "--output-tokens", 64, "--ignore-eos", "--temperature", 0)
    assert report["failed"] == 0, report
    return report["output_throughput"], (cpu_seconds(*pids) - before) / report["total_output_tokens"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default=ROOT / "deploy/models/demo.gguf", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16])
    options = parser.parse_args()
    model = options.model.resolve()
    with contextlib.ExitStack() as stack:
        whole = serve(stack, f"{{from: shards, file: {model}, threads: 2}}")
        variants = {}  # servers, and the processes that are theirs
        for m in (1, 2, 4):
            server = serve(stack, f"{{from: split, file: {model}, micro_batches: {m}}}")
            variants[f"apart, in process, m = {m}"] = server, [server.pid]
        for m in (1, 2):
            workers = stack.enter_context(SplitWorkers(model, layer_count(model), 1, 1, m))
            server = serve(stack, workers.tokens)
            others = [process.pid for process in workers.processes + workers.ffn.processes]
            variants[f"as processes, m = {m}"] = server, [server.pid, *others]
        pairs = {}
        for _ in range(options.rounds):
            for streams in options.streams:
                for name, (server, pids) in variants.items():
                    unsplit = measure(whole, [whole.pid], streams)
                    pairs.setdefault((name, streams), []).append((unsplit, measure(server, pids, streams)))
    print("| split | streams | tokens/s unsplit | split | quotient (min to max) | CPU, us a token unsplit | split | quotient |\n"
          "|---|---|---|---|---|---|---|---|")
    for (name, streams), values in pairs.items():
        (speeds, split_speeds), (cpus, split_cpus) = ([[side[i] for side in sides] for sides in zip(*values)] for i in (0, 1))
        quotients = [split / unsplit for unsplit, split in zip(speeds, split_speeds)]
        cpu_quotients = [split / unsplit for unsplit, split in zip(cpus, split_cpus)]
        median = statistics.median
        print(f"| {name} | {streams} | {median(speeds):,.0f} | {median(split_speeds):,.0f} | "
              f"{median(quotients):.2f} ({min(quotients):.2f} to {max(quotients):.2f}) | {1e6 * median(cpus):,.0f} | "
              f"{1e6 * median(split_cpus):,.0f} | {median(cpu_quotients):.2f} |")


if __name__ == "__main__":
    main()
