"""waferctl sim --prices: what a trace earns, by the rating that servers use; the same trace, the same invoice."""

import csv
import json
import urllib.request
from decimal import Decimal

import pytest

from cloud import ROOT, Waferd, waferctl, waferctl_json

PRICE = {"default": 1, "priority": 2}


@pytest.fixture(name="trace", scope="module")
def write_trace(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    rows = [{"arrival_s": i / 4, "prompt_tokens": 500 + 10 * i, "output_tokens": 100 + i, "model": "llama-3.1-8b", "tenant": f"t{i % 3}",
             "service_tier": "priority" if i % 5 == 0 else "default"} for i in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path, rows


def bill(trace, *words):
    result = waferctl("sim", "--config", "deploy/config/demo.yaml", "--trace", str(trace), "--prices", "demo", "--json", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_invoices_are_the_sum_of_the_requests(trace):
    path, rows = trace
    report = bill(path)
    for invoice in report["billing"]["invoices"]:
        mine = [row for row in rows if row["tenant"] == invoice["tenant"]]
        assert invoice["records"] == len(mine)
        # Nothing is found in a cache; 0.10 $ a million tokens either way, twice that with priority.
        exact = sum(Decimal(row["prompt_tokens"] + row["output_tokens"]) * PRICE[row["service_tier"]] for row in mine) / 10**7
        assert Decimal(invoice["exact_usd"]) == exact
        assert Decimal(invoice["exact_usd"]) + Decimal(invoice["rounding_usd"]) == Decimal(invoice["total_usd"])
    assert len(report["billing"]["invoices"]) == 3
    margin = Decimal(report["billing"]["revenue_usd"]) - Decimal(report["billing"]["cost_usd"])
    assert Decimal(report["billing"]["margin_usd"]) == margin


def test_charged_and_idle_time_is_each_devices_whole_time(trace):
    report = bill(trace[0])
    devices = [device for device in report["devices"] if device["kind"] != "link"]
    lengths = {(device["charged_ns"] + device["idle_ns"]) // device["devices"] for device in devices}
    assert len(lengths) == 1
    assert sum(device["charged_ns"] for device in devices if device["kind"] == "wafer") == report["compute"]["wafer_ns"]


def test_the_same_trace_gives_the_same_invoice(trace, tmp_path):
    exports = []
    for name in ("a", "b"):
        report = bill(trace[0], "--bill-from", "2026-06-30T23:59:50Z", "--plan", "capacity", "--focus", str(tmp_path / name))
        exports.append((report["billing"], (tmp_path / name).read_bytes()))
    assert exports[0] == exports[1]
    # The run goes on into July: an invoice for each month.
    assert len({invoice["month"] for invoice in exports[0][0]["invoices"]}) == 2


def test_what_a_lost_wafer_makes_start_again_costs_the_same_and_occupies_more(trace, tmp_path):
    fleet = tmp_path / "fleet.yaml"
    lane = """models:
  - name: llama-3.1-8b
    shape: llama-3.1-8b
    context: 32768
    prefill: {hardware: h100, workers: 2}
    decode: [{name: wafer, hardware: wse-3, profile: vendor-2024, units: 2}]
    link: {bytes_per_second: 5.0e+10, latency_us: 10}
"""
    dense = tmp_path / "dense.jsonl"
    dense.write_text("".join(json.dumps({**row, "arrival_s": row["arrival_s"] / 100}) + "\n" for row in trace[1]))
    reports = []
    for faults in ("", "faults:\n  - {at_s: 0.1, fault: unit_lost, index: 0}\n  - {at_s: 0.2, fault: unit_back, index: 0}\n"):
        fleet.write_text(lane + faults)
        result = waferctl("sim", "--config", fleet, "--trace", dense, "--prices", "demo", "--json")
        assert result.returncode == 0, result.stderr
        reports.append(json.loads(result.stdout))
    calm, faulty = reports
    assert faulty["requests"]["restarted"]["unit_lost"] > 0 and faulty["requests"]["completed"] == 60
    assert [json.dumps(one) for one in faulty["billing"]["invoices"]] == [json.dumps(one) for one in calm["billing"]["invoices"]]
    # The prompts are computed again: the provider's loss.
    assert faulty["compute"]["accelerator_ns"] > calm["compute"]["accelerator_ns"]


def test_revenue_cost_and_margin_are_split_by_tenant_model_and_tier(trace):
    report = bill(trace[0])["billing"]
    rows = {(row["tenant"], row["model"], row["tier"]): row for row in report["by"]}
    model = "llama-3.1-8b"
    assert set(rows) == {(tenant, model, tier) for tenant in ("t0", "t1", "t2") for tier in ("default", "priority")}
    for (tenant, _, tier), row in rows.items():
        mine = [one for one in trace[1] if (one["tenant"], one["service_tier"]) == (tenant, tier)]
        assert row["requests"] == len(mine)
        assert Decimal(row["revenue_usd"]) == sum(one["prompt_tokens"] + one["output_tokens"] for one in mine) * PRICE[tier] / Decimal(10**7)
        assert Decimal(row["margin_usd"]) == Decimal(row["revenue_usd"]) - Decimal(row["cost_usd"]) and Decimal(row["cost_usd"]) > 0
    assert sum(Decimal(row["revenue_usd"]) for row in rows.values()) == sum(Decimal(one["exact_usd"]) for one in report["invoices"])
    assert sum(Decimal(row["cost_usd"]) for row in rows.values()) + Decimal(report["idle_cost_usd"]) == Decimal(report["cost_usd"])


def test_exports_say_what_the_invoices_say(trace, tmp_path):
    report = bill(trace[0], "--focus", str(tmp_path / "focus.csv"), "--usage-events", str(tmp_path / "events"))
    with (tmp_path / "focus.csv").open(newline="") as file:
        billed = sum(Decimal(row["BilledCost"]) for row in csv.DictReader(file))
    assert billed == Decimal(report["billing"]["revenue_usd"])
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert len({(event["source"], event["id"]) for event in events}) == 60


def test_what_cannot_be_billed_is_refused(trace):
    for words, error in [(("--plan", "developr"), "did you mean 'developer'?"), (("--bill-from", "soon"), "is not a UTC instant"),
                         (("--bill-from", "2025-01-01"), "no prices are in force at 2025-01-01T00:00:00Z")]:
        result = waferctl("sim", "--config", "deploy/config/demo.yaml", "--trace", str(trace[0]), "--prices", "demo", *words)
        assert result.returncode != 0
        assert error in result.stderr, result.stderr


LIVE = """clock: {kind: stepped}
api_keys:
  - {key: key-a, tenant: a, may_operate: true}
  - {key: key-b, tenant: b}
models:
  - name: demo
    shape: llama-3.1-8b
    context: 512
    prefill: {hardware: h100, workers: 2, cache_tokens: 4096}
    decode: [{hardware: wse-3, profile: vendor-2024, max_running: 6}]
    link: {bytes_per_second: 5.0e+10, latency_us: 10}
    scheduling: {block_tokens: 64}
    tokens: {from: shards, file: %s, shards: 2}
"""
PRICES = """currency: USD
versions:
  - effective: 2026-06-01
    models: [{name: demo, input: "2.50", cached_input: "0.25", output: "15"}]
"""


def test_a_live_server_uses_what_the_offline_invoice_bills(tmp_path):
    """Stepped clock: a live server counts for each tenant exactly the tokens that the offline invoice has lines for."""
    config, prices, trace = tmp_path / "server.yaml", tmp_path / "prices.yaml", tmp_path / "trace.jsonl"
    config.write_text(LIVE % (ROOT / "deploy/models/demo.gguf"))
    prices.write_text(PRICES)
    rows = [{"arrival_s": i / 200, "prompt_tokens": 70 + i % 90, "output_tokens": 5 + i % 40, "tenant": "ab"[i % 2],
             "blocks": [i % 3, 100 + i, 200 + i][:(70 + i % 90 + 63) // 64]} for i in range(60)]
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--trace", trace, "--block-tokens", "64"]
    offline = waferctl_json("sim", "--config", config, *words, "--prices", prices, "--json")
    with Waferd(config) as server:
        live = waferctl_json("bench", "replay", *words, "--server", server.http, "--api-key", "key-a", "--tenant-key", "b=key-b",
                             "--tenant-key", "a=key-a", "--json")
        request = urllib.request.Request(server.http + "/admin/usage", headers={"Authorization": "Bearer key-a"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            usage = json.load(reply)["usage"]
    assert live["schedule_digest"] == offline["receipt"]["digest"]
    for invoice in offline["billing"]["invoices"]:
        billed = {line["item"]: line["quantity"] for line in invoice["lines"]}
        used = next(row for row in usage if row["tenant"] == invoice["tenant"])
        assert used["requests"] == invoice["records"] == 30
        assert used["cached_tokens"] == billed["cached_input"] > 0
        assert used["prompt_tokens"] == billed["input"] + billed["cached_input"]
        assert used["generated_tokens"] == billed["output"]
