"""Law 6 across the three clocks: one seeded trace makes one schedule, with the same digest, offline (waferctl sim), through the
engine with the compute plane, and through a live waferd in stepped mode whose clients bring their own arrivals, over HTTP and
gRPC, in whatever order and however late they send them.
"""

import concurrent.futures
import csv
import json
import pathlib
import random
import time

import pytest

from cloud import ROOT, Waferd, get, stream, waferctl_json

BLOCK_TOKENS = 64
REQUESTS = 120
SEED = 11

LANE = """  - name: demo
    shape: llama-3.1-8b
    context: 512
    prefill: {hardware: h100, workers: 2, cache_tokens: 4096}
    decode: %s
    link: {bytes_per_second: 5.0e+10, latency_us: 10}
    scheduling: %s
"""
WAFER = "hardware: wse-3, profile: vendor-2024"
FLEETS = {
    "one wafer, shared prefixes": LANE % ("[{%s, max_running: 6}]" % WAFER, "{block_tokens: 64, overlap: layer}"),
    "two wafers and a GPU, speculation, deadlines, caches on wafers": LANE % (
        "[{%s, units: 2, max_running: 4, prefix_cache: true}, {name: gpu, hardware: h100, max_running: 4}]" % WAFER,
        "{block_tokens: 64, overlap: chunk, order: deadline, unit_rule: sticky, local_prefill_tokens: 24, fast_tier: {who: deadline}, "
        "draft: [{acceptance: 0.8}, {acceptance: 0.5}], draft_time_us: 20}"),
    "attention on a GPU, feed-forward on a wafer, and a GPU for what spills over": LANE % (
        "[{name: split, kind: split, attention: {hardware: h200, devices: 1}, ffn: {%s}, micro_batches: 2, max_running: 6}, "
        "{name: gpu, hardware: h100, max_running: 4}]" % WAFER, "{block_tokens: 64, overlap: layer}"),
    "two tiers: a third of the tokens on a wafer, room spills both ways": LANE % (
        "[{%s, max_running: 4}, {name: gpu, hardware: h100, max_running: 4, units: 2}]" % WAFER,
        "{block_tokens: 64, overlap: layer, fast_tier: {who: share, share: 0.3, priority_spills: true, slow_spills: true}}"),
    "a pipeline of SRAM chips, prompts in chunks": (LANE % (
        "[{name: lpu, hardware: groq-lpu-v1, devices_per_unit: 80, max_running: 6}, {name: gpu, hardware: h100, max_running: 4}]",
        "{block_tokens: 64, overlap: chunk}")).replace("cache_tokens: 4096", "cache_tokens: 4096, step_tokens: 48"),
}


def make_trace(seed):
    draw = random.Random(seed)
    at, lines = 0, []
    for number in range(REQUESTS):
        at += draw.expovariate(250)
        prompt = draw.randint(5, 300)
        group = draw.randrange(4)
        blocks = [group * 100 + place if place < 2 else 10000 + number * 10 + place
                  for place in range((prompt + BLOCK_TOKENS - 1) // BLOCK_TOKENS)]
        line = {"arrival_s": round(at, 6), "prompt_tokens": prompt, "output_tokens": draw.randint(1, 60), "blocks": blocks,
                "service_tier": draw.choice(["default", "flex", "priority"]), "priority": draw.randrange(3)}
        if draw.random() < 0.3:
            line["deadline_ms"] = draw.randint(15, 60)
        if draw.random() < 0.2:
            line["tenant"] = "other"
        lines.append(line)
    return lines


class Scene:
    """A fleet and a trace as files, and what the offline run makes of them."""

    def __init__(self, folder, lane, head=""):
        self.folder = pathlib.Path(folder)
        self.lines = make_trace(SEED)
        self.trace = self.folder / "trace.jsonl"
        self.trace.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        self.fleet = self.folder / "fleet.yaml"
        self.fleet.write_text("models:\n" + lane)
        self.server = self.folder / "server.yaml"
        self.server.write_text("clock: {kind: stepped}\n" + head + "models:\n" + lane +
                               f"    tokens: {{from: shards, file: {ROOT / 'deploy/models/demo.gguf'}, shards: 2}}\n")
        self.flags = ["--trace", self.trace, "--block-tokens", BLOCK_TOKENS, "--seed", SEED]
        table = self.folder / "requests.csv"
        self.offline = waferctl_json("sim", "--config", self.fleet, *self.flags, "--requests", table, "--json")
        self.digest = self.offline["receipt"]["digest"]
        with open(table, newline="") as file:
            self.rows = {int(row["request"]) - 1: row for row in csv.DictReader(file)}


def same_latencies(scene, records):
    """Each client saw the latencies of the offline run, to the CSV's nanosecond."""
    for record in records:
        row = scene.rows[record["index"]]
        assert record["ok"] == (row["result"] in ("length", "stop")), (record, row)
        if record["ok"]:
            assert record["emulated_ttft_ms"] == pytest.approx(float(row["ttft_ms"]), rel=0, abs=0.5e-6)
            assert record["emulated_e2el_ms"] == pytest.approx(float(row["e2e_ms"]), rel=0, abs=0.5e-6)


def digest_of(scene):
    """The one digest of the offline run, the engine alone, and a live server by each door."""
    assert scene.offline["requests"]["completed"] > REQUESTS / 2
    assert scene.offline["prefix_cache"]["hit_share"] > 0.1
    engine = waferctl_json(scene.server, scene.trace, BLOCK_TOKENS, SEED, program="engine_digest")
    assert engine["digest"] == scene.digest
    for door in ("http", "grpc"):
        with Waferd(scene.server) as server:
            url = server.doors[door]
            log = scene.folder / f"{door}.jsonl"
            live = waferctl_json("bench", "replay", *scene.flags, "--server", url, "--requests", log,
                       "--json")
            assert live["schedule_digest"] == scene.digest, door
            assert live["completed"] == scene.offline["requests"]["completed"]
            same_latencies(scene, [json.loads(line) for line in log.read_text().splitlines()])
    return scene.digest


def test_offline_engine_and_live_server_make_one_schedule(tmp_path):
    digests = set()
    for number, lane in enumerate(FLEETS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        digests.add(digest_of(Scene(folder, lane)))
    assert len(digests) == len(FLEETS)


def test_tenants_are_as_fair_to_each_other_live_by_their_keys(tmp_path):
    fair = Scene(tmp_path, LANE % ("[{%s, max_running: 2}]" % WAFER, "{block_tokens: 64, fair_tenants: true}"),
                      "api_keys:\n  - {key: key-a, tenant: '-', may_operate: true}\n  - {key: key-b, tenant: other}\n")
    assert max(float(row["queue_ms"] or 0) for row in fair.rows.values()) > 50
    for door in ("http", "grpc"):
        digests = []
        for keys in ([], ["--tenant-key", "other=key-b"]):
            with Waferd(fair.server) as server:
                url = server.doors[door]
                digests.append(waferctl_json("bench", "replay", *fair.flags, "--server", url, "--api-key", "key-a",
                                   *keys, "--json")["schedule_digest"])
        assert digests[1] == fair.digest, door
        assert digests[0] != fair.digest, door  # one tenant: first come, first served


def test_requests_that_come_late_and_in_any_order_change_nothing(tmp_path):
    scene = Scene(tmp_path, next(iter(FLEETS.values())))
    draw = random.Random(5)
    order = list(range(REQUESTS))
    for begin in range(0, REQUESTS, 20):  # a shuffle that keeps no more than 40 waiting for one that is missing
        part = order[begin:begin + 20]
        draw.shuffle(part)
        order[begin:begin + 20] = part

    def one(server, number):
        line = scene.lines[number]
        body = {"model": "demo", "prompt": prompts[number], "max_tokens": line["output_tokens"],
                "min_tokens": line["output_tokens"], "ignore_eos": True, "seed": number,
                "service_tier": line["service_tier"], "priority": line["priority"],
                "cache_salt": line.get("tenant", ""),
                "waferline": {"arrival_ns": round(line["arrival_s"] * 1e9) - first, "arrival_number": number,
                              "last_arrival": number == REQUESTS - 1, "instants": True,
                              **({"deadline_ms": line["deadline_ms"]} if "deadline_ms" in line else {})}}
        try:
            return sum((event.get("waferline", {}).get("instants_ns", [])
                        for _, event in stream(server.http, "/v1/completions", body)), [])
        except RuntimeError:
            return None  # refused

    first = round(scene.lines[0]["arrival_s"] * 1e9)
    content = random.Random(1)
    known = {}  # tokens of each block of the trace, alike wherever it stands
    prompts = []
    for line in scene.lines:
        tokens = []
        for block in line["blocks"]:
            tokens += known.setdefault(block, [content.randrange(256) for _ in range(BLOCK_TOKENS)])
        prompts.append(tokens[:line["prompt_tokens"]])
    with Waferd(scene.server) as server, concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        futures = {}
        for number in order:
            futures[number] = pool.submit(one, server, number)
            time.sleep(draw.choice([0, 0, 0.002, 0.01]))
        seen = {number: future.result() for number, future in futures.items()}
        assert json.loads(get(server.http + "/admin/load"))["schedule_digest"] == scene.digest
    for number, instants in seen.items():
        row = scene.rows[number]
        if instants is None:  # refused, or its deadline passed before the answer's head went out
            assert row["result"].startswith("refused") or row["result"] == "deadline", row
        if instants:
            assert len(instants) == int(row["output_tokens"])  # fewer if its deadline passed
            assert instants == sorted(instants)
            assert instants[0] / 1e6 == pytest.approx(float(row["ttft_ms"]), rel=0, abs=0.5e-6)


def test_a_broken_trace_is_refused_with_what_is_wrong(tmp_path):
    scene = Scene(tmp_path, next(iter(FLEETS.values())))
    config = scene.folder / "short.yaml"
    config.write_text(scene.server.read_text().replace("kind: stepped", "kind: stepped, arrival_grace_us: 300000"))

    def ask(url, model="demo", **arrival):
        body = {"model": model, "prompt": "a", "max_tokens": 2, "waferline": arrival}
        try:
            list(stream(url, "/v1/completions", body))
        except RuntimeError as refused:
            return str(refused)
        return ""

    with Waferd(config) as server:
        assert "arrival_number have an effect only together" in ask(server.http, arrival_ns=5)
        assert "no effect without arrival_number" in ask(server.http, last_arrival=True)
        assert "0 did not come within 0.3 s" in ask(server.http, arrival_ns=5, arrival_number=1)
        assert ask(server.http, arrival_ns=5, arrival_number=0, last_arrival=True) == ""
    with Waferd("deploy/config/demo.yaml") as server:
        assert "clock is real" in ask(server.http, "waferline-demo", arrival_ns=5, arrival_number=0)
