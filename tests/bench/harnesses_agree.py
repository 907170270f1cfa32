"""Whether three load harnesses and the server itself measure the same: guidellm, aiperf and waferctl bench, one after the other against one
server, 16 requests at once, each compared with what /metrics counted meanwhile.

    python3 tests/bench/harnesses_agree.py [--guidellm build/harnesses/python/bin] [--aiperf build/aiperf/python/bin] [--scale 0.02]

Workload: the stand-in of llama-3.1-8b on one WSE-3 with 64 tokens in and 64 out, chats, streamed. /metrics counts emulated seconds and the
harnesses wall time, so the clock is slowed down (a second of the emulated hardware takes 1 / scale on the wall) until what the machine and
the harnesses themselves take is small. Prints mean time to first token and mean gap between tokens in emulated milliseconds; the exit code is 1
if any differs from /metrics by more than 3 %. The folders are those into which ctest installs the harnesses (clients.setup_harnesses,
clients.setup_aiperf).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import BIN, Metrics, Waferd, waferctl_json  # noqa: E402

AT_ONCE, TOKENS, REQUESTS, MODEL, LIMIT = 16, 64, 96, "llama-3.1-8b", 0.03
CONFIG = """clock: {{kind: real, scale: {scale}}}
models:
  - name: llama-3.1-8b
    shape: llama-3.1-8b
    context: 32768
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: cheap, file: {model}}}
"""


def run(folder, *words):
    environment = dict(os.environ, HF_HOME=str(folder / "cache"), OPENAI_API_KEY="none", NO_COLOR="1", COLUMNS="200")
    done = subprocess.run([str(word) for word in words], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(f"{words[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}")


def guidellm(options, folder, url, tokenizer):
    out = folder / "guidellm.json"
    run(folder, options.guidellm / "guidellm", "run", "--backend", f"kind=openai_http,target={url},model={MODEL},request_format=/v1/chat/completions",
        "--profile", f"kind=concurrent,streams={AT_ONCE}", "--constraint", f"kind=max_requests,count={REQUESTS}",
        "--data", f"kind=synthetic_text,prompt_tokens={TOKENS},output_tokens={TOKENS}",
        "--tokenizer", f"kind=huggingface_auto,model={tokenizer}", "--output", f"kind=json,path={out}", "--disable-console")
    [benchmark] = json.loads(out.read_text())["benchmarks"]
    figures = benchmark["metrics"]
    return figures["time_to_first_token_ms"]["successful"]["mean"], figures["inter_token_latency_ms"]["successful"]["mean"]


def aiperf(options, folder, url, tokenizer):
    run(folder, options.aiperf / "aiperf", "profile", "--model", MODEL, "--url", url, "--endpoint-type", "chat", "--streaming", "--tokenizer", tokenizer,
        "--concurrency", AT_ONCE, "--request-count", REQUESTS, "--isl", TOKENS, "--osl", TOKENS, "--use-server-token-count",
        "--extra-inputs", "ignore_eos:true", "--artifact-dir", folder / "out", "--ui-type", "none")
    [report] = (folder / "out").rglob("profile_export_aiperf.json")
    figures = json.loads(report.read_text())
    return figures["time_to_first_token"]["avg"], figures["inter_token_latency"]["avg"]


def waferctl(options, folder, url, tokenizer):
    report = waferctl_json("bench", "run", "--server", url, "--model", MODEL, "--chat", "--concurrency", AT_ONCE, "--num-prompts", REQUESTS,
                           "--input-words", TOKENS, "--output-tokens", TOKENS, "--ignore-eos", "--json")
    return report["mean_ttft_ms"], report["mean_itl_ms"]


def counted(url):
    """(sum, count) of both histograms, in seconds."""
    metrics = Metrics(url)
    return [(metrics.sum(f"vllm:{name}_seconds_sum", model_name=MODEL), metrics.sum(f"vllm:{name}_seconds_count", model_name=MODEL))
            for name in ("time_to_first_token", "inter_token_latency")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guidellm", type=pathlib.Path, default=ROOT / "build/harnesses/python/bin")
    parser.add_argument("--aiperf", type=pathlib.Path, default=ROOT / "build/aiperf/python/bin")
    parser.add_argument("--scale", type=float, default=0.02)
    options = parser.parse_args()
    worst = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        config = folder / "server.yaml"
        config.write_text(CONFIG.format(scale=options.scale, model=ROOT / "deploy/models/demo.gguf"))
        tokenizer = folder / "tokenizer"
        subprocess.run([BIN / "waferctl", "model", "export-hf", ROOT / "deploy/models/demo.gguf", tokenizer], check=True, capture_output=True)
        with Waferd(config) as server:
            print(f"{AT_ONCE} at once, {REQUESTS} requests of {TOKENS} tokens, emulated ms       harness    /metrics    off by")
            for harness in (waferctl, guidellm, aiperf):
                before = counted(server.http)
                figures = harness(options, folder, server.http, tokenizer)
                after = counted(server.http)
                for what, figure, (sum0, count0), (sum1, count1) in zip(("first token", "between tokens"), figures, before, after):
                    truth = 1000 * (sum1 - sum0) / (count1 - count0)
                    off = figure * options.scale / truth - 1
                    worst = max(worst, abs(off))
                    print(f"{harness.__name__:10} {what:16} {figure * options.scale:37.4f} {truth:11.4f} {100 * off:8.2f} %", flush=True)
    print(f"largest difference {100 * worst:.2f} % (at most {100 * LIMIT:.0f} %)")
    return 1 if worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
