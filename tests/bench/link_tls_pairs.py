"""What TLS on links costs: the demo model on one shard a layer, each a process, plain and over TLS, asked in turn.

    sudo chrt -r 10 python3 tests/bench/link_tls_pairs.py [SETS [ROUNDS]]     # real-time priority, for a machine that does other work

Processes are started SETS times, since where they run differs more than one request from the next; each set is asked ROUNDS times, plain and
over TLS in turn. One line a set: the medians of a stream's microseconds a token, and what a hop (driver to first shard, shard to shard, last
shard to driver) costs more over TLS; then the same over all pairs with the interval in which the median lies with 95 %, and the least and
largest set. Also of the CPU time of all processes together. Workload: 300 tokens, temperature 0, one sequence, stepped clock.
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


def ask_in_turn(folder, tls, worker, rounds):
    """[((wall, CPU) plain, (wall, CPU) over TLS)] of processes that are started for this."""
    layers = layer_count(MODEL)
    with Workers(MODEL, layers, layers) as plain, Workers(MODEL, layers, layers, ["--tls", worker]) as secure:
        with Waferd(configure(folder / "plain.yaml", plain.tokens)) as one, Waferd(configure(folder / "tls.yaml", secure.tokens, tls)) as other:
            pairs = []
            for number in range(rounds + 1):  # the first warms up; which is asked first alternates
                sides = [lambda: microseconds_a_token(one, plain), lambda: microseconds_a_token(other, secure)]
                order = [0, 1] if number % 2 else [1, 0]
                seen = {side: sides[side]() for side in order}
                pairs.append((seen[0], seen[1]))
            return pairs[1:]


def main(sets, rounds):
    hops = layer_count(MODEL) + 1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        lab = folder / "lab"
        certs("init", lab)
        certs("issue", lab, "frontend")
        certs("issue", lab, "worker/w")
        own = f"{lab}/frontend"
        tls = f"tls: {{cert: {own}/tls.crt, key: {own}/tls.key, ca: {own}/ca.crt, links: true, doors: {{http: false, grpc: false}}}}\n"
        groups = []
        for number in range(sets):
            groups.append(ask_in_turn(folder, tls, str(lab / "worker-w"), rounds))
            print(f"set {number + 1}: " + "; ".join(summary(groups[-1:], side, hops) for side in (0, 1)), flush=True)
    for side, what in enumerate(("on the wall", "of CPU time")):
        each = [statistics.median((b[side] - a[side]) / hops for a, b in group) for group in groups]
        print(f"{what}: {summary(groups, side, hops)}; sets {min(each):+.1f} to {max(each):+.1f}; {sets} sets of {rounds} pairs")


def summary(groups, side, hops):
    pairs = [(a[side], b[side]) for group in groups for a, b in group]
    plain_us, tls_us = (statistics.median(each) for each in zip(*pairs))
    difference, low, high = median_between([(b - a) / hops for a, b in pairs])
    return f"plain {plain_us:.0f} us, TLS {tls_us:.0f} us a token, a hop {difference:+.1f} us ({low:+.1f} to {high:+.1f}, 95 %)"


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [4, 12][len(numbers):]))
