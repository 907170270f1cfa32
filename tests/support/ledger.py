"""A server that says what answers cost, and what waferctl says of its ledger and invoices."""

import json
from decimal import Decimal

from accounts import config
from cloud import waferctl

PRICES = """
currency: USD
versions:
  - effective: 2026-01-01T00:00:00Z
    models: [{name: m, input: "1", cached_input: "0.5", output: "2", tiers: {flex: "0.5", priority: "2"}}]
    plans: [{name: payer, prepaid: true}]
"""


def ledger_config(folder, database):
    path = config(folder, database)
    (folder / "prices.yaml").write_text(PRICES)
    path.write_text(path.read_text().replace("prices: ./prices.yaml", "prices: ./prices.yaml, show_cost: true"))
    return path


def price(usage, factor="1"):
    fresh = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
    micro = fresh + Decimal("0.5") * usage["prompt_tokens_details"]["cached_tokens"] + 2 * usage["completion_tokens"]
    return micro * Decimal(factor) / 1_000_000


def asked(server, words, *where, code=0):
    done = waferctl(*words, "--json", *(where or ("--server", server.http, "--api-key", "root")))
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr
