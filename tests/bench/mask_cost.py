"""What holding an answer to a form costs a token of the demo model, live: the same request with and without a constraint, in turn.

    python3 tests/bench/mask_cost.py [--rounds 20]

Workload: one chat at a time of 256 tokens, temperature 1, ignore_eos, one shard with one thread and no draft; the clock runs a million
times too fast, so that only computing takes time. Counted is the server's CPU time. The forms: a JSON schema of an object with long texts, which constrains each token,
and patterns that any text matches. Prints medians of the time a token takes, and of the ratios of neighbouring runs.
"""

import argparse
import contextlib
import statistics
import sys

from serve_bench import cpu_seconds, local, serve
from cloud import post

TOKENS = 256
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "minLength": 1000}, "age": {"type": "integer"}}, "required": ["name", "age"]}
FORMS = {"JSON schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
         "pattern that counts": {"structured_outputs": {"regex": "[\\s\\S]{1000,2000}"}},
         "pattern": {"structured_outputs": {"regex": "[\\s\\S]*"}}}


def us_per_token(server, fields, seed):
    body = {"model": "m", "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": TOKENS, "temperature": 1, "seed": seed,
            "ignore_eos": True, **fields}
    before = cpu_seconds(server.pid)
    answer = post(server.http, "/v1/chat/completions", body)
    if answer["usage"]["completion_tokens"] != TOKENS:
        sys.exit(f"the answer ended early: {answer}")
    return (cpu_seconds(server.pid) - before) * 1e6 / TOKENS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        server = serve(stack, local(1, threads=1))
        for fields in ({}, *FORMS.values()):
            us_per_token(server, fields, 0)
        for name, fields in FORMS.items():
            pairs = [(us_per_token(server, {}, seed), us_per_token(server, fields, seed)) for seed in range(rounds)]
            free, held = (statistics.median(side) for side in zip(*pairs))
            ratio = statistics.median(b / a for a, b in pairs)
            print(f"{name}: {free:.1f} us of CPU a token free, {held:.1f} us held, {100 * (ratio - 1):+.1f} % in the median pair")


if __name__ == "__main__":
    main()
