"""Law 7: what /metrics says about TTFT and token latency is what clients measure.

Emulated time: clients ask for the instants of their tokens; sums and counts over all requests must be those of /metrics, to
the rounding of a sum of doubles. Wall time: no token comes before its instant (law 5), and the mean TTFT measured by clients is
the server's own within the time that a loaded machine needs to hand bytes over.
"""

import concurrent.futures
import sys

from openai_http import Metrics, first_model, stream
from waferd import Waferd

REQUESTS = 24
TOKENS = 20
HAND_OVER_SECONDS = 0.25  # from the server's write to a Python thread that reads it; machines with 2 cores, all tests at once


def one(url, model, seed):
    """(instants in ns, wall seconds of each instant's event)"""
    instants, walls = [], []
    body = {"model": model, "prompt": "Once upon a time", "max_tokens": TOKENS, "seed": seed, "ignore_eos": True}
    for wall, event in stream(url, "/v1/completions", body, {"x-waferline-instants": "true"}):
        fresh = event.get("waferline", {}).get("instants_ns", [])
        instants += fresh
        walls += [wall] * len(fresh)
    return instants, walls


def close(name, ours, theirs, tolerance):
    print(f"{name}: /metrics {theirs:.9f}, clients {ours:.9f}")
    if abs(ours - theirs) > tolerance:
        raise AssertionError(f"{name} differs by {abs(ours - theirs):.9f}, more than {tolerance}")


def main():
    with Waferd("deploy/config/demo.yaml") as server:
        model = first_model(server.http)
        before = Metrics(server.http)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda seed: one(server.http, model, seed), range(REQUESTS)))
        after = Metrics(server.http)

        def delta(name):
            return after.sum(name, model_name=model) - before.sum(name, model_name=model)

        first = [instants[0] / 1e9 for instants, _ in results]
        gaps = [(b - a) / 1e9 for instants, _ in results for a, b in zip(instants, instants[1:])]
        assert all(len(instants) == TOKENS for instants, _ in results), "ignore_eos gives every token"
        for names, values in [(("waferline_emulated_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"), first),
                              (("waferline_emulated_inter_token_seconds", "vllm:inter_token_latency_seconds"), gaps)]:
            for name in names:
                close(name + "_count", len(values), delta(name + "_count"), 0)
                close(name + "_sum", sum(values), delta(name + "_sum"), 1e-6)
        close("vllm:generation_tokens_total", REQUESTS * TOKENS, delta("vllm:generation_tokens_total"), 0)

        early = min(wall - instant / 1e9 for instants, walls in results for instant, wall in zip(instants, walls))
        print(f"the earliest token came {early * 1e6:.0f} us after its instant")
        assert early >= 0, "a token left before its instant"

        name = "waferline_host_time_to_first_token_seconds"
        server_mean = delta(name + "_sum") / delta(name + "_count")
        client_mean = sum(walls[0] for _, walls in results) / REQUESTS
        assert client_mean >= server_mean, "a client cannot see a token before the server wrote it"
        close("mean wall TTFT", client_mean, server_mean, HAND_OVER_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
