"""waferctl bench against waferd over HTTP and gRPC: what is emulated is the same, whichever way it was asked for."""

import json
import signal
import subprocess
import time

import pytest

from cloud import BIN, ROOT, Waferd, waferctl

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


def stepped(folder):
    path = folder / "stepped.yaml"
    path.write_text((ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models"))
                    .replace("kind: real, scale: 1", "kind: stepped").replace("clip_max_tokens: true", "clip_max_tokens: false"))
    return path


@pytest.mark.parametrize("door", ("http", "grpc"))
def test_a_refused_request_of_a_trace_counts_as_arrived(tmp_path, door):
    with Waferd(stepped(tmp_path)) as server:
        done = waferctl("bench", "replay", "--server", server.doors[door], "--arrivals", "poisson:rate=5", "--count", 20, "--json", timeout=25)
    report = json.loads(done.stdout)
    # The demo model's context is short: some are refused for their length, all others are answered.
    assert report["failed"] > 0 and report["completed"] > 0 and report["failed"] + report["completed"] == 20
    assert all("context" in message or "must be at most" in message for message in report["errors"]), report["errors"]


def test_a_replay_against_a_real_clock_says_so_without_a_table(doors):
    done = waferctl("bench", "replay", "--server", doors["http"], "--model", MODEL, "--arrivals", "poisson:rate=5", "--count", 3)
    assert done.returncode != 0
    assert "clock is real" in done.stdout and "time to first token" not in done.stdout


def test_what_a_signal_cuts_short_is_no_failure_and_the_report_comes(doors):
    command = [str(BIN / "waferctl"), "bench", "run", "--server", doors["http"], "--model", MODEL, "--rate", "40", "--num-prompts", "4000",
               "--output-tokens", "2000", "--ignore-eos", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    report = json.loads(out)
    assert report["interrupted"] and report["failed"] == 0 and report["cut"] > 0, out
    assert "E0" not in out and "E-" not in out
