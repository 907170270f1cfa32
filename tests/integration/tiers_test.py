"""Fast and slow decode units behind one model name: what answers say, and what a share of the fast ones costs and gains."""

import csv
import time
import xml.etree.ElementTree

import pytest

from cloud import ROOT, Metrics, Waferd, post, stream, waferctl, waferctl_json

SERVER = """clock: {kind: real, scale: 0.02}
models:
  - name: demo
    shape: llama-3.1-8b
    context: 512
    prefill: {hardware: h100}
    decode:
      - {hardware: wse-3, profile: vendor-2024, max_running: 1}
      - {name: gpu, hardware: h100, max_running: 8}
    scheduling: {fast_tier: {who: paid, priority_spills: true}}
    tokens: {from: shards, file: %s}
""" % (ROOT / "deploy/models/demo.gguf")


def test_answers_say_which_tier_served_them(tmp_path):
    config = tmp_path / "server.yaml"
    config.write_text(SERVER)
    prompt = {"model": "demo", "prompt": "Once", "max_tokens": 1}
    chat = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    response = {"model": "demo", "input": "Hi", "max_output_tokens": 1}
    with Waferd(config) as server:
        def served(path, body, **more):
            return post(server.http, path, {**body, **more})["service_tier"]

        def streamed(path, body, **more):
            """What the last event says."""
            for _, event in stream(server.http, path, {**body, **more}):
                last = event.get("response", event)
                if last.get("status") in ("completed", "incomplete"):
                    break  # a response's stream has no [DONE]
            return last["service_tier"]

        for path, body in (("/v1/completions", prompt), ("/v1/chat/completions", chat), ("/v1/responses", response)):
            assert served(path, body, service_tier="priority") == "priority"
            assert served(path, body) == served(path, body, service_tier="auto") == "default"
            assert served(path, body, service_tier="flex") == "flex"
            assert streamed(path, body, service_tier="priority") == "priority"
            assert streamed(path, body) == "default"
        # Anthropic's names.
        message = {**chat, "max_tokens": 1}
        assert post(server.http, "/v1/messages", message)["usage"]["service_tier"] == "standard"
        # The one place on the wafer is taken: what asks for priority is served, and charged, as default.
        long = stream(server.http, "/v1/completions", {**prompt, "max_tokens": 400, "ignore_eos": True, "service_tier": "priority"})
        _, first = next(long)
        assert first["service_tier"] == "priority"
        assert served("/v1/completions", prompt, service_tier="priority") == "default"
        long.close()
        wait_for(server.http, 1, asked="priority", served="default")
        wait_for(server.http, 3, asked="flex", served="flex")


def wait_for(url, count, **labels):
    deadline = time.monotonic() + 60
    while (found := Metrics(url).sum("waferline_tier_requests_total", **labels)) != count:
        assert time.monotonic() < deadline, (labels, found)
        time.sleep(0.05)


FLEET = """models:
  - name: chat
    shape: llama-3.1-70b
    context: 32768
    prefill: {hardware: h100, workers: 2, devices_per_worker: 8}
    decode: [%s]
    link: {bytes_per_second: 1.0e+11, latency_us: 10}
"""
WAFER = "{name: wafer, hardware: wse-3, profile: vendor-2025, wafers_per_unit: 5}"
GPU = "{name: gpu, hardware: h200, devices_per_unit: 8}"
TRACE = ("--trace", ROOT / "deploy/traces/chat-sample.jsonl", "--speed-up", 4, "--goodput", "ttft:2000,tpot:20")


@pytest.mark.parametrize("first, second, share", ((WAFER, GPU, 1), (GPU, WAFER, 0)))
def test_a_share_of_none_or_all_is_the_pure_fleet(tmp_path, first, second, share):
    """The unit that serves all is the first of both fleets, so that even the decisions' digest is the same."""
    both, pure = tmp_path / "both.yaml", tmp_path / "pure.yaml"
    both.write_text(FLEET % f"{first}, {second}")
    pure.write_text(FLEET % first)
    row, = waferctl_json("sim", "tiers", "--config", both, *TRACE, "--share", f"{share}:{share}:1", "--json")["rows"]
    alone = waferctl_json("sim", "--config", pure, *TRACE, "--json")
    assert row["digest"] == alone["receipt"]["digest"]
    assert row["fast_share"] == share
    assert row["goodput_share"] == alone["goodput"]["share"]
    assert row["ttft_ms_p99"] == alone["ttft_ms"]["p99"]
    assert row["usd_per_million_output_tokens"] == alone["compute"]["usd_per_million_output_tokens"]
    assert row["joules_per_output_token"] == alone["compute"]["joules_per_output_token"]
    assert row["fleet_usd_per_million_output_tokens"] > alone["usd_per_million_output_tokens"]  # the idle tier costs too


def test_the_share_is_kept_over_the_shipped_trace(tmp_path):
    picture = tmp_path / "tiers.svg"
    command = ("sim", "tiers", "--config", ROOT / "deploy/config/fleets/tiers-70b.yaml", *TRACE, "--svg", picture)
    rows = waferctl_json(*command, "--json")["rows"]
    assert [row["share"] for row in rows] == pytest.approx([n / 10 for n in range(11)])
    for row in rows:
        assert row["fast_share"] <= row["share"] and row["fast_share"] > row["share"] - 0.02
    assert [row["fast_share"] for row in rows] == sorted(row["fast_share"] for row in rows)
    assert rows[5]["fast_tpot_ms_p50"] * 5 < rows[5]["slow_tpot_ms_p50"]
    assert len({row["digest"] for row in rows}) == len(rows)
    assert "100 % = " in "".join(xml.etree.ElementTree.parse(picture).getroot().itertext())
    assert "whole fleet" in waferctl(*command).stdout


def test_each_request_s_tier_is_in_the_table_of_requests(tmp_path):
    fleet, table = tmp_path / "fleet.yaml", tmp_path / "requests.csv"
    fleet.write_text(FLEET % f"{WAFER}, {GPU}" + "    scheduling: {fast_tier: {who: short_answer, output_tokens: 100, default_spills: false}}\n")
    report = waferctl_json("sim", "--config", fleet, *TRACE, "--requests", table, "--json")
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["asked_tier"] for row in rows} == {"auto"}
    for row in rows:
        assert row["served_tier"] == ("priority" if int(row["output_tokens"]) <= 100 else "default")
    for name, tier in report["tiers"].items():
        assert tier["completed"] == sum(row["served_tier"] == name for row in rows)
        assert tier["output_tokens"] == sum(int(row["output_tokens"]) for row in rows if row["served_tier"] == name)


def test_a_tier_that_is_full_spills_over_only_if_asked(tmp_path):
    tight = tmp_path / "tight.yaml"
    tight.write_text(FLEET % f"{WAFER}, {GPU[:-1]}, max_running: 2}}")
    command = ("sim", "tiers", "--config", tight, *TRACE, "--share", "0:0:1", "--json")
    (alone,), (spilled,) = waferctl_json(*command)["rows"], waferctl_json(*command, "--spill")["rows"]
    assert alone["fast_share"] == 0 < spilled["fast_share"]
    assert spilled["ttft_ms_p99"] < alone["ttft_ms_p99"]


def test_what_makes_no_sense_is_refused(tmp_path):
    one = tmp_path / "one.yaml"
    one.write_text(FLEET % WAFER)

    def refused(*words, says):
        done = waferctl("sim", "tiers", *words)
        assert done.returncode != 0 and says in done.stderr, done.stderr

    refused("--config", one, *TRACE, says='model "chat" has no slow decode units')
    refused("--config", one, *TRACE, "--share", "0:2:0.1", says="must be FROM:TO:STEP with 0 <= FROM <= TO <= 1")
    refused("--config", one, *TRACE, "--share", "0:1:0", says="must be FROM:TO:STEP")
    for fast_tier, says in (("{who: shares}", "must be one of"), ("{share: 0.2}", "share"), ("{who: share, share: 1.5}", "share"),
                            ("{who: paid, output_tokens: 5}", "output_tokens")):
        config = tmp_path / "bad.yaml"
        config.write_text(FLEET % f"{WAFER}, {GPU}" + f"    scheduling: {{fast_tier: {fast_tier}}}\n")
        done = waferctl("sim", "--config", config, *TRACE)
        assert done.returncode != 0 and "fast_tier" in done.stderr and says in done.stderr, done.stderr
