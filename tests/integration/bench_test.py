"""waferctl bench against waferd over HTTP and gRPC: what is emulated is the same, whichever way it was asked for."""

import json
import signal
import subprocess
import time

import pytest

from cloud import BIN, ROOT, Metrics, Waferd, waferctl

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


def test_a_run_of_which_more_failed_than_may_ends_with_1_after_its_report(doors):
    words = ("bench", "run", "--server", doors["http"], "--model", MODEL, "--num-prompts", 4, "--json")
    prompts = "".join(f"{'word ' * count}\n" for count in (1, 2, 100000, 3))
    some = waferctl(*words, "--prompts", "/dev/stdin", stdin=prompts)
    assert some.returncode == 1 and json.loads(some.stdout)["completed"] == 3, some.stderr
    assert "1 of 4 requests failed (--max-failed allows a share of 0)" in some.stderr
    for counts in ((1, 2, 100000, 3), (100000, 1, 2, 3)):  # the first is also sent once before the run
        prompts = "".join(f"{'word ' * count}\n" for count in counts)
        allowed = waferctl(*words, "--prompts", "/dev/stdin", "--max-failed", 0.25, stdin=prompts)
        assert allowed.returncode == 0 and json.loads(allowed.stdout)["failed"] == 1, allowed.stderr


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


# What `vllm bench serve` of vLLM 0.11 writes for a text model, without its audio figures.
KEYS = {"date", "backend", "model_id", "tokenizer_id", "num_prompts", "request_rate", "burstiness", "max_concurrency", "duration", "completed", "failed",
        "total_input_tokens", "total_output_tokens", "request_throughput", "output_throughput", "total_token_throughput", "max_output_tokens_per_s",
        "max_concurrent_requests", *(f"{kind}_{what}_ms" for kind in ("mean", "median", "std", "p99") for what in ("ttft", "tpot", "itl"))}
DETAILS = {"input_lens", "output_lens", "ttfts", "itls", "start_times", "errors"}


def test_the_report_has_the_keys_of_vllms(doors):
    report = bench(doors["http"], "--num-prompts", 6, "--concurrency", 3, "--output-tokens", 8, "--ignore-eos", "--detailed")
    assert KEYS | DETAILS <= set(report), (KEYS | DETAILS) - set(report)
    assert report["max_concurrent_requests"] == 3 and report["burstiness"] == 1
    assert report["output_lens"] == [8] * 6 and report["errors"] == [""] * 6 and sum(report["input_lens"]) == report["total_input_tokens"]
    assert all(len(gaps) == 7 for gaps in report["itls"]) and all(first > 0 for first in report["ttfts"])
    time.strptime(report["date"], "%Y%m%d-%H%M%S")
    assert "input_lens" not in bench(doors["http"], "--num-prompts", 1, "--output-tokens", 2)


def test_the_request_before_a_run_is_mentioned(doors):
    def finished():
        return Metrics(doors["http"]).sum("waferline_requests_finished_total")

    before = finished()
    report = bench(doors["http"], "--num-prompts", 3, "--output-tokens", 2)
    assert report["warm_up_requests"] == 1 and finished() == before + report["completed"] + report["warm_up_requests"]
    said = waferctl("bench", "run", "--server", doors["http"], "--model", MODEL, "--num-prompts", 1, "--output-tokens", 2).stdout
    assert "one request more went before these, to warm up; it is billed as any" in said
    assert "one more goes before them" in waferctl("bench", "run", "--help").stdout


@pytest.mark.parametrize("door", ("http", "grpc"))
def test_conversations_go_on_with_all_that_was_said(doors, door):
    words = ("--num-prompts", 9, "--input-words", 20, "--output-tokens", 16, "--ignore-eos", "--concurrency", 2, "--detailed")
    report = bench(doors[door], *words, "--turns", 3)
    lengths = sorted(report["input_lens"])
    assert report["completed"] == 9 and report["turns"] == 3
    # Three conversations: first turns are short, each later one has an answer and a question more.
    assert lengths[2] * 1.5 < lengths[3] and lengths[5] * 1.2 < lengths[6], lengths


@pytest.mark.parametrize("door", ("http", "grpc"))
def test_answers_held_to_a_schema_and_calls_of_tools(doors, tmp_path, door):
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["n"]}')
    tools = tmp_path / "tools.json"
    tools.write_text('[{"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}]')
    held = bench(doors[door], "--num-prompts", 4, "--output-tokens", 60, "--schema", schema)
    assert held["completed"] == 4 and held["total_output_tokens"] < 4 * 60
    called = bench(doors[door], "--num-prompts", 4, "--output-tokens", 200, "--tools", tools, "--temperature", 0)
    assert called["completed"] == 4, called
    assert held["backend"] == ("openai-chat" if door == "http" else "waferline-grpc")
    wrong = waferctl("bench", "run", "--server", doors[door], "--schema", tools)
    assert wrong.returncode != 0 and "is not a JSON schema" in wrong.stderr, wrong.stderr


@pytest.mark.parametrize("door", ("http", "grpc"))
def test_clients_that_go_away_are_counted_apart(doors, door):
    report = bench(doors[door], "--num-prompts", 40, "--concurrency", 8, "--output-tokens", 400, "--ignore-eos", "--cancel-rate", 0.5)
    # One that was to go away may have had its answer by then.
    assert report["completed"] + report["cancelled"] == 40 and report["failed"] == 0 and 5 < report["cancelled"] < 35, report


def test_slow_readers_take_longer_than_the_others(doors):
    words = ("--num-prompts", 4, "--concurrency", 4, "--output-tokens", 60, "--ignore-eos")
    usual = bench(doors["http"], *words)
    slow = bench(doors["http"], *words, "--slow-readers", 1, "--read-pause", 100)
    assert slow["completed"] == 4 and slow["mean_e2el_ms"] > usual["mean_e2el_ms"] + 300
    wrong = waferctl("bench", "run", "--server", doors["grpc"], "--slow-readers", 1)
    assert wrong.returncode != 0 and "--slow-readers" in wrong.stderr
