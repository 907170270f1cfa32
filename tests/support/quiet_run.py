"""What no fault of a host may change: a request of a trace on a stepped clock, with its tokens, log-probabilities and emulated times, and
the schedule's digest, are those of a quiet run, in one process in which nothing happens.

    same_as_quiet("a shard's process is killed, and", server, fault)

The first argument is the beginning of a row of docs/failures.md, whose bound is printed with what was seen; `pytest -rP` shows it.
"""

import functools
import hashlib
import json
import pathlib
import tempfile
import time

from cloud import ROOT, Metrics, Waferd, get, stream

MODEL = ROOT / "deploy/models/demo.gguf"
TOKENS = 300
CONFIG = """clock: {{kind: stepped}}
models:
  - name: far
    shape: llama-3.1-8b
    context: 512
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""


@functools.cache
def rows():
    """Of the table: what fails, (its bound, "yes" if what a client gets is the same)."""
    lines = (ROOT / "docs/failures.md").read_text().splitlines()
    begin = lines.index(next(line for line in lines if line.startswith("| what fails |")))
    table = [line.split(" | ") for line in lines[begin + 2:lines.index("", begin)]]
    return {row[0].removeprefix("| "): (row[2], row[3]) for row in table}


def report(row, seen, after_s):
    """Prints a row's bound, and what was seen: (tokens ..., the digest)."""
    (what, bound), = ((what, bound) for what, (bound, _) in rows().items() if what.startswith(row))
    text = hashlib.sha256(repr(seen[:-1]).encode()).hexdigest()[:12]
    print(f"row: {what} | bound {bound} | over after {after_s:.1f} s | text and times {text} | digest {seen[-1]}")


def run(server, at=None, fault=None):
    """One request of a trace; `fault` is called when `at` tokens are here. What the client sees but for host times, and the digest."""
    body = {"model": "far", "prompt": "The storm came over the harbour. " * 6, "temperature": 0.7, "seed": 5, "max_tokens": TOKENS,
            "ignore_eos": True, "logprobs": 2,
            "waferline": {"arrival_ns": 1000, "arrival_number": 0, "last_arrival": True, "instants": True}}
    tokens, instants, times = [], [], None
    for _, event in stream(server.http, "/v1/completions", body, timeout=120):
        instants += event.get("waferline", {}).get("instants_ns", [])
        times = event.get("time_info") or times
        for choice in event["choices"]:
            logprobs = choice["logprobs"] or {"tokens": [], "token_logprobs": []}
            tokens += zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True)
        if fault and len(instants) >= at:
            fault()
            fault = None
    assert fault is None and len(instants) == TOKENS and tokens
    emulated = {key: times[key] for key in ("queue_time", "prompt_time", "completion_time", "total_time")}
    return tokens, instants, emulated, json.loads(get(server.http + "/admin/load"))["schedule_digest"]


@functools.cache
def quiet():
    """The run that all others are compared with."""
    with tempfile.TemporaryDirectory() as folder, \
            Waferd.of(pathlib.Path(folder), CONFIG.format(tokens=f"{{from: shards, file: {MODEL}, shards: 1}}")) as server:
        return run(server)


def same_as_quiet(row, server, fault=None, at=40):
    """The first request of a server, during which `fault` happens, or before which something did."""
    want, over = quiet(), [time.monotonic()]

    def hit():
        fault()
        over[0] = time.monotonic()

    seen = run(server, at, hit if fault else None)
    after_s = time.monotonic() - over[0]
    assert seen == want, row
    report(row, seen, after_s)


def while_held(relay, server, fault):
    """A fault during which the request surely runs: what the last shard says to the server waits in the relay between them. The server's
    patience must be longer than that."""
    def held():
        relay.bad = "held back"
        try:
            fault()
            assert Metrics(server.http).sum("waferline_requests_in_flight") == 1
        finally:
            relay.bad = None
    return held
