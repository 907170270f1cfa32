"""Tokens a second through the whole server, next to llama.cpp's server and the bare engine, on the same file.

    python3 tests/bench/compare_servers.py --llama-server PATH --streams 1,8,32,64 [--rounds 3] [--record FILE] MODEL.gguf ...
    python3 tests/bench/compare_servers.py --table FILE      the table of what earlier runs recorded

Workload: `waferctl bench run` over HTTP streaming, the same for both servers: closed loop of N streams, two requests each (four
if there is one stream), prompts of --prompt seeded token ids, --tokens tokens, greedy, ignore_eos. The client runs on the same cores
as the server, for both. waferd's clock runs a million times too fast, so that emulated time never holds a token back. "engine" is
`waferctl model bench` with as many sequences, prompts counted: layers and logits, nothing around them. Contenders take turns, round after round;
figures are medians, ratios are medians over the rounds.

--repeat N: the prompt is one phrase of N tokens over and over. --speculation lookup: waferd guesses, llama.cpp does not.
--text FILE: prompts are the words of a text instead, for models that know a language.
"""

import argparse
import contextlib
import json
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import Waferd, model_shape, waferctl_json  # noqa: E402

CONFIG = """clock: {{kind: real, scale: 1.0e+6}}
models:
  - name: m
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: {streams}}}]
    tokens: {{from: shards, file: {model}, threads: {threads}, speculation: {speculation}}}
"""
READY_SECONDS = 120


def prompts_of(options, model, count):
    shape = model_shape(model)
    draw = random.Random(7)
    text = None
    if options.text:
        words = pathlib.Path(options.text).read_text()
        text = waferctl_json("model", "tokenize", model, "--text", words, "--json")["tokens"]
    for _ in range(count):
        length = options.repeat or options.prompt
        if text is None:
            phrase = [draw.randrange(300, shape["vocabulary"]) for _ in range(length)]
        else:
            first = draw.randrange(max(1, len(text) - length))
            phrase = text[first:first + length]
        yield (phrase * (options.prompt // length + 1))[:options.prompt]


def cpu_flag(options):
    return ["--cpu", options.cpu] if options.cpu else []


@contextlib.contextmanager
def waferd_server(options, model, streams):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "bench.yaml"
        path.write_text(CONFIG.format(streams=streams, model=model.resolve(), threads=options.threads,
                                      speculation=options.speculation))
        with Waferd(path, *cpu_flag(options)) as server:
            yield server.http, "m"


@contextlib.contextmanager
def llama_server(options, model, streams):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = streams * (options.prompt + options.tokens + 16)
    process = subprocess.Popen([options.llama_server, "-m", str(model), "-t", str(options.threads), "-tb",
                                str(options.threads), "--parallel", str(streams), "-c", str(context), "--host",
                                "127.0.0.1", "--port", str(port)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("llama-server did not become ready") from error
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", model.name
    finally:
        process.terminate()
        process.wait(30)


def load(options, server, streams, prompts):
    address, name = server
    report = waferctl_json("bench", "run", "--server", address, "--model", name, "--json", "--prompts", prompts,
                      "--concurrency", streams, "--num-prompts", streams * 2 if streams > 1 else 4, "--output-tokens",
                      options.tokens, "--ignore-eos", "--temperature", 0)
    if report["failed"]:
        raise RuntimeError(f"{report['failed']} requests failed at {address}")
    return report["output_throughput"]


def engine(options, model, streams):
    report = waferctl_json("model", "bench", model, "--json", "--threads", options.threads, "--prompt",
                      options.prompt, "--depth", options.prompt, "--generate", options.tokens, "--batch", streams, *cpu_flag(options))
    seconds = options.prompt / report["prefill_tokens_per_s"] + options.tokens / report["decode_tokens_per_s"][str(streams)]
    return options.tokens / seconds


def compare(options, model, streams):
    record = {"model": model.name, "cpu": options.cpu or "best", "streams": streams, "tokens": options.tokens, "prompt": options.prompt,
              "repeat": options.repeat, "speculation": options.speculation, "waferd": [], "llama": [], "engine": []}
    with contextlib.ExitStack() as stack:
        prompts = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "prompts.jsonl"
        prompts.write_text("".join(json.dumps({"prompt": ids}) + "\n" for ids in prompts_of(options, model, streams * 2)))
        ours = stack.enter_context(waferd_server(options, model, streams))
        theirs = stack.enter_context(llama_server(options, model, streams)) if options.llama_server else None
        for number in range(options.rounds):
            record["waferd"].append(load(options, ours, streams, prompts))
            if theirs:
                record["llama"].append(load(options, theirs, streams, prompts))
            record["engine"].append(engine(options, model, streams))
            latest = {name: round(record[name][-1], 1) for name in ("waferd", "llama", "engine") if record[name]}
            print(f"{model.name}, {streams} streams, round {number + 1} of {options.rounds}: {latest}", file=sys.stderr)
    return record


def table(records):
    print("| file | cpu | streams | what | waferd tokens/s | llama-server | ratio | bare engine | server/engine |\n"
          "|---|---|---|---|---|---|---|---|---|")
    for r in records:
        def ratio(other):
            return f"{statistics.median(a / b for a, b in zip(r['waferd'], r[other])):.2f}" if r[other] else ""

        def median(name):
            return f"{statistics.median(r[name]):.1f}" if r[name] else ""

        what = f"{r['prompt']} + {r['tokens']} tokens"
        if r["repeat"]:
            what += f", phrase of {r['repeat']}"
        if r["speculation"] != "off":
            what += f", {r['speculation']}"
        print(f"| {r['model']} | {r['cpu']} | {r['streams']} | {what} | {median('waferd')} | {median('llama')} | {ratio('llama')} | "
              f"{median('engine')} | {ratio('engine')} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--llama-server", metavar="PATH")
    parser.add_argument("--streams", default="1,8,32,64")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", help="instructions that waferd and the engine use; the peer is to be built for the same")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prompt", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=0)
    parser.add_argument("--text", metavar="FILE")
    parser.add_argument("--speculation", default="off", choices=["off", "lookup"])
    parser.add_argument("--record", metavar="FILE")
    parser.add_argument("--table", metavar="FILE")
    options = parser.parse_args()
    if options.table:
        return table([json.loads(line) for line in pathlib.Path(options.table).read_text().splitlines()])
    records = []
    for model in options.models:
        for streams in map(int, options.streams.split(",")):
            records.append(compare(options, model, streams))
            if options.record:
                with open(options.record, "a") as file:
                    file.write(json.dumps(records[-1]) + "\n")
    table(records)


if __name__ == "__main__":
    main()
