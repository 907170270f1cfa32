"""Attention and feed-forward apart: what `waferctl wafer split` says, and a split unit in a live server with its metrics and faults."""

import json
import re
import xml.etree.ElementTree

import pytest

from cloud import ROOT, Waferd, get, post, stream, waferctl, waferctl_json

SPLIT = ("wafer", "split", "llama-3.1-70b", "--attention", "h200", "--ffn", "wse-3", "--ratio", "1:3", "--micro-batches", "1:4",
         "--link-us", "2:8")


def test_the_sweep_names_the_best_split_and_where_it_breaks_even(tmp_path):
    page, ping_pong, frontier = tmp_path / "split.html", tmp_path / "ping.svg", tmp_path / "front.svg"
    found = waferctl_json(*SPLIT, "--context", "1k:64k", "--html", page, "--svg", ping_pong, "--frontier", frontier, "--json")
    contexts = [1024 << n for n in range(7)]
    assert len(found["rows"]) + found["did_not_fit"] == len(contexts) * 3 * 4 * 3
    best = {row["context"]: row for row in found["best"]}

    def cheaper_from(*hardware):
        """The shortest context from which on the split is cheaper than these machines uncut."""
        since = None
        for context in reversed(contexts):
            against = [row for row in found["against"] if row["context"] == context and row["hardware"] in hardware]
            if context not in best or any(row["fast_enough"] and row["usd_per_million"] <= best[context]["usd_per_million"] for row in against):
                break
            since = context
        return since

    assert {row["context"] for row in found["against"]} == set(contexts)
    assert found["breaks_even_context"] == cheaper_from("wse-3")
    assert found["beats_both_context"] == cheaper_from("wse-3", "h200")
    assert ("loses" in found["verdict"]) == (found["beats_both_context"] is None)
    for row in found["rows"]:
        assert row["attention_devices"] == row["ratio"] * row["ffn_devices"]
        assert row["bound"] in ("attention", "ffn", "link", "latency")
        assert 0 <= row["attention_idle_share"] <= 1 and 0 <= row["ffn_idle_share"] <= 1
        assert row["aggregate"] == pytest.approx(row["users"] * row["tokens_per_second_user"])
    # Two hops a layer: each microsecond of latency costs a lone micro-batch 160 us a token.
    alone = {row["link_us"]: row for row in waferctl_json(*SPLIT[:7], "--context", "1k", "--ratio", "1", "--micro-batches", "1", "--link-us", "2:8",
                                                          "--users", "1", "--min-speed", "0", "--json")["rows"]}
    assert 1e6 / alone[4.0]["tokens_per_second_user"] - 1e6 / alone[2.0]["tokens_per_second_user"] == pytest.approx(2 * 2 * 80, rel=1e-3)
    assert 1e6 / alone[8.0]["tokens_per_second_user"] - 1e6 / alone[4.0]["tokens_per_second_user"] == pytest.approx(4 * 2 * 80, rel=1e-3)
    for picture in (ping_pong, frontier):
        assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert found["verdict"] in page.read_text()
    text = waferctl(*SPLIT, "--context", "1k:64k").stdout
    assert text.rstrip().splitlines()[-1] == found["verdict"]


@pytest.mark.parametrize("attention, ffn", [("h200", "groq-lpu-v1"), ("trainium2", "wse-3"), ("mi355x", "groq-lpu-v1"), ("tpu-v7", "wse-3")])
def test_any_two_machines_split_a_model(attention, ffn):
    found = waferctl_json("wafer", "split", "llama-3.1-70b", "--attention", attention, "--ffn", ffn, "--context", "4k:32k", "--ratio", "2:8",
                          "--micro-batches", "1:4", "--min-speed", "20", "--json")
    assert {row["context"] for row in found["best"]} == {4096, 8192, 16384, 32768}
    for row in found["rows"]:
        chips = ffn == "groq-lpu-v1"
        assert row["ffn_devices"] > 400 if chips else row["ffn_devices"] == 3
        assert row["attention_devices"] == row["ratio"] * (1 if chips else row["ffn_devices"])
    assert {row["hardware"] for row in found["against"]} == {attention, ffn}


def test_a_split_that_cannot_pay_is_said_to_lose():
    found = waferctl_json(*SPLIT[:7], "--context", "1k", "--ratio", "1", "--micro-batches", "3", "--link-us", "20", "--min-speed", "5000",
                          "--json")
    assert found["breaks_even_context"] is None and found["best"] == []
    assert "a split loses" in found["verdict"]


@pytest.mark.parametrize("words, says", [
    (("--context", "8k:1k"), "--context: '8k:1k' has LOW above HIGH; allowed is N or LOW:HIGH in [1, 1073741824]"), (("--ratio", "x"), "--ratio: 'x' is not a range"),
    (("--ratio", "0:2"), "--ratio: '0:2' is out of range"), (("--attention", "h2000"), "h2000"),
    (("--context", "1:1M", "--ratio", "1:64", "--micro-batches", "1:64"), "must have at most 20000"),
    (("--context", "1M", "--ratio", "1", "--attention", "groq-lpu-v1"), "groq-lpu-v1: weights")])
def test_what_makes_no_sense_is_refused(words, says):
    done = waferctl("wafer", "split", "llama-3.1-70b", *words)
    assert done.returncode != 0 and says in done.stderr, done.stderr


SERVER = """clock: {kind: real}
listen: {http_port: 0, grpc_port: 0}
models:
  - name: demo
    shape: llama-3.1-8b
    context: 512
    prefill: {hardware: h100, workers: 1}
    decode:
      - {name: split, kind: split, attention: {hardware: h200, devices: 1}, ffn: {hardware: wse-3, profile: vendor-2024},
         micro_batches: 2, max_running: 8}
    tokens: {from: shards, file: %s, shards: 2}
""" % (ROOT / "deploy/models/demo.gguf")


def metric(server, name):
    return {tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels))): float(value) for labels, value in
            re.findall(rf"^{name}\{{(.*)\}} (\S+)$", get(server.http + "/metrics"), re.MULTILINE)}


def test_a_live_split_unit_computes_tokens_and_measures_both_sides(tmp_path):
    config = tmp_path / "server.yaml"
    config.write_text(SERVER)
    with Waferd(config) as server:
        body = {"model": "demo", "prompt": "Once upon a time", "max_tokens": 40, "min_tokens": 40, "ignore_eos": True}

        def pace():
            before = {key: value for key, value in metric(server, "waferline_side_link_bytes_total").items()}
            last = list(stream(server.http, "/v1/completions", {**body, "waferline": {"instants": True}}))
            instants = sum((event.get("waferline", {}).get("instants_ns", []) for _, event in last), [])
            after = metric(server, "waferline_side_link_bytes_total")
            return (instants[-1] - instants[0]) / (len(instants) - 1), sum(after.values()) - sum(before.values())

        healthy, crossed = pace()
        # The prompt's prefill gives the first of 40 tokens: 39 steps of one token, 32 layers of width 4096, two bytes a value.
        assert crossed in (39 * 32 * 4096 * 4, 40 * 32 * 4096 * 4)
        busy = metric(server, "waferline_emulated_side_busy_seconds_total")
        assert {dict(key)["side"] for key in busy} == {"attention", "ffn", "link"} and min(busy.values()) > 0
        for kind, factor in (("attention_side", 4), ("ffn_side", 30)):
            post(server.http, "/admin/faults", {"fault": kind, "model": "demo", "factor": factor})
            assert pace()[0] > 1.3 * healthy, kind
            post(server.http, "/admin/faults", {"fault": kind, "model": "demo", "factor": 1})
        assert pace()[0] == pytest.approx(healthy, rel=0.02)
        layout = json.loads(get(server.http + "/admin/layout"))
        unit = layout["models"][0]["units"][0]
        assert unit["kind"] == "split" and unit["hardware"] == "h200 + wse-3"
        send = waferctl("faults", "send", "off_wafer_link", "--links", "12", "--model", "demo", "--server", server.http)
        assert send.returncode == 1 and "12 of 12 links" in send.stderr
        assert waferctl("faults", "send", "off_wafer_link", "--links", "6", "--model", "demo", "--server", server.http).returncode == 0
