"""The tier that serves is billed, never one above what was asked for."""

import json
import time
from decimal import Decimal

from accounts import call
from cloud import ROOT, Waferd, get, stream
from ledger import PRICES, asked, price
from postgres import Sqlite

TIERS = """clock: {{kind: real, scale: 0.02}}
billing: {{store: "{url}", prices: ./prices.yaml, show_cost: true}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 512
    prefill: {{hardware: h100}}
    decode:
      - {{hardware: wse-3, profile: vendor-2024, max_running: 1}}
      - {{name: gpu, hardware: h100, max_running: 1}}
    scheduling: {{fast_tier: {{who: paid, priority_spills: true, slow_spills: true}}}}
    tokens: {{from: shards, file: {model}}}
"""


def wait_until_idle(server):
    deadline = time.monotonic() + 60
    while any(unit["running"] for model in json.loads(get(server.http + "/admin/load"))["models"] for unit in model["units"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_tier_that_is_lowered_or_lifted_is_billed_as_it_was_served_and_never_above_what_was_asked(tmp_path):
    (tmp_path / "prices.yaml").write_text(PRICES)
    path = tmp_path / "tiers.yaml"
    with Sqlite() as database:
        path.write_text(TIERS.format(url=database.url, model=ROOT / "deploy/models/demo.gguf"))
        body = {"model": "m", "prompt": "Once upon a time", "max_tokens": 3}
        with Waferd(path) as server:
            def costs(factor, **fields):
                status, answer, _ = call(server, "POST", "/v1/completions", {**body, **fields}, None)
                assert status == 200 and Decimal(answer["usage"]["cost"]) == price(answer["usage"], factor), answer
                return answer["usage"]["usage_id"]

            def held(tier):
                """A long answer that keeps the one place of the unit that its tier is for."""
                events = stream(server.http, "/v1/completions", {**body, "max_tokens": 400, "ignore_eos": True, "service_tier": tier})
                next(events)
                return events

            asked_and_billed = {costs("2", service_tier="priority"): ("priority", "priority")}
            taken = held("priority")
            asked_and_billed[costs("1", service_tier="priority")] = ("priority", "default")  # lowered to the GPU
            taken.close()
            wait_until_idle(server)
            taken = held("default")
            asked_and_billed[costs("1")] = ("default", "default")  # lifted to the wafer
            asked_and_billed[costs("0.5", service_tier="flex")] = ("flex", "flex")
            taken.close()
            wait_until_idle(server)
            name = "no-tenant:" + time.strftime("%Y-%m", time.gmtime())
            invoice = asked(server, ["invoice", "show", name], "--server", server.http)["invoice"]
        rows = {f"{epoch}.{ordinal}.0": (was, tier, wafer_ns != "0") for epoch, ordinal, was, tier, wafer_ns in
                database.rows("SELECT epoch, ordinal, asked, tier, system_ns FROM usage WHERE reason <> 'cancelled'")}
        assert {usage: (was, tier) for usage, (was, tier, _) in rows.items()} == asked_and_billed
        assert [on_wafer for _, _, on_wafer in rows.values()] == [True, False, True, True]
        sums = database.rows("SELECT tier, SUM(prompt), SUM(cached), SUM(generated) FROM usage GROUP BY tier")
        for tier, *counts in sums:
            lines = {line["item"]: line["quantity"] for line in invoice["lines"] if line["tier"] == tier}
            prompt, cached, generated = map(int, counts)
            assert lines["output"] == generated and lines["input"] + lines.get("cached_input", 0) == prompt, (tier, lines)
            assert lines.get("cached_input", 0) == cached
        assert asked(None, ["ledger", "verify"], "--store", database.url)["differences"] == []
