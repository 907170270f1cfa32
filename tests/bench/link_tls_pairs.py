"""What TLS on links costs: the demo model on one shard a layer, each a process, plain and over TLS, asked in turn.

    python3 tests/bench/link_tls_pairs.py [ROUNDS]

One line a round: microseconds a token of one stream, and what a hop (driver to first shard, shard to shard, last shard to driver) costs
more over TLS; then the medians, also of the CPU time of all processes together, which other work on the machine changes less. Workload: 300 tokens, temperature 0, one sequence, stepped clock.
"""

import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import ROOT, Waferd, Workers, layer_count, post, waferctl  # noqa: E402
from cell_costs import cpu_seconds  # noqa: E402
from medians import median_between  # noqa: E402

MODEL = ROOT / "deploy/models/demo.gguf"
TOKENS = 300
CONFIG = """clock: {{kind: stepped}}
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {tokens}
"""


def certs(*words):
    done = waferctl("certs", *words)
    assert done.returncode == 0, done.stderr


def configure(path, tokens, tls=""):
    path.write_text(tls + CONFIG.format(tokens=tokens))
    return path


def microseconds_a_token(server, workers):
    """On the wall, and of CPU time of the server and its workers together."""
    pids = [server.pid, *(process.pid for process in workers.processes)]
    body = {"model": "demo", "prompt": "Once there was a baker who", "temperature": 0, "ignore_eos": True}
    begin = time.perf_counter()
    post(server.http, "/v1/completions", {**body, "max_tokens": 1})
    prompt = time.perf_counter() - begin
    begin, busy = time.perf_counter(), cpu_seconds(pids)
    post(server.http, "/v1/completions", {**body, "max_tokens": TOKENS})
    return (time.perf_counter() - begin - prompt) / (TOKENS - 1) * 1e6, (cpu_seconds(pids) - busy) / TOKENS * 1e6


def main(rounds):
    layers = layer_count(MODEL)
    hops = layers + 1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        lab = folder / "lab"
        certs("init", lab)
        certs("issue", lab, "frontend")
        certs("issue", lab, "worker/w")
        own = f"{lab}/frontend"
        tls = f"tls: {{cert: {own}/tls.crt, key: {own}/tls.key, ca: {own}/ca.crt, links: true, doors: {{http: false, grpc: false}}}}\n"
        with Workers(MODEL, layers, layers) as plain, Workers(MODEL, layers, layers, ["--tls", str(lab / "worker-w")]) as secure:
            with Waferd(configure(folder / "plain.yaml", plain.tokens)) as one, \
                    Waferd(configure(folder / "tls.yaml", secure.tokens, tls)) as other:
                pairs = []
                for number in range(rounds + 1):
                    pair = microseconds_a_token(one, plain), microseconds_a_token(other, secure)
                    if number == 0:
                        continue  # warms up
                    pairs.append(pair)
                    print(f"plain {pair[0][0]:7.1f} us, TLS {pair[1][0]:7.1f} us, a hop {(pair[1][0] - pair[0][0]) / hops:+6.2f} us", flush=True)
        for number, what in enumerate(("on the wall", "of CPU time")):
            sides = [(a[number], b[number]) for a, b in pairs]
            plain_us, tls_us = (statistics.median(side) for side in zip(*sides))
            difference, low, high = median_between([(b - a) / hops for a, b in sides])
            print(f"{what}, medians of {rounds}: plain {plain_us:.1f} us, TLS {tls_us:.1f} us a token; a hop {difference:+.2f} us "
                  f"({low:+.2f} to {high:+.2f}, 95 %)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
