"""waferctl bench against waferd over HTTP and gRPC: what is emulated is the same, whichever way it was asked for."""

import json

import pytest

from cloud import Waferd, waferctl

MODEL = "llama-3.1-8b"


def bench(url, *words):
    done = waferctl("bench", "run", "--server", url, "--model", MODEL, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(name="doors", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server.doors


def test_emulated_times_are_the_same_over_http_as_over_grpc(doors):
    # A long prompt, whose hand-over and hop through the pipeline count.
    words = ("--num-prompts", 1, "--input-words", 6000, "--output-tokens", 40, "--ignore-eos", "--seed", 3)
    http, grpc = (bench(doors[door], *words) for door in ("http", "grpc"))
    for name in ("mean_emulated_tpot_ms", "mean_emulated_e2el_ms", "mean_emulated_ttft_ms"):
        assert http[name] == pytest.approx(grpc[name], rel=1e-3), name
    assert http["mean_emulated_ttft_ms"] < http["mean_emulated_e2el_ms"]
