"""Connections to a real PostgreSQL that are ended while records are committed: each answer has one record, and sums count it once."""

import json
import threading
import time
from decimal import Decimal

import pytest

from accounts import call, new_key
from cloud import Metrics, Waferd
from ledger import asked, ledger_config
from postgres import Postgres, programs

SECONDS = 6


def ask(server, key, until, answers):
    while time.monotonic() < until and len(answers) < 800:  # a tenant may ask 1,000 times a day
        status, answer = call(server, "POST", "/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 4, "n": 2}, key)[:2]
        answers.append((status, answer.get("usage", {}).get("cost")))


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed (Debian's package postgresql)")
def test_broken_connections_lose_no_record_and_count_none_twice(tmp_path):
    with Postgres() as database, Waferd(ledger_config(tmp_path, database)) as server:
        key = new_key(server)["key"]
        answers, until = [], time.monotonic() + SECONDS
        clients = [threading.Thread(target=ask, args=(server, key, until, answers)) for _ in range(8)]
        for client in clients:
            client.start()
        ended = 0
        while time.monotonic() < until:
            ended += len(database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waferd'"))
            time.sleep(0.3)
        for client in clients:
            client.join()
        kept = [Decimal(cost) for status, cost in answers if status == 200]
        assert ended > 5 and len(kept) > 20, (ended, len(answers))
        assert {status for status, _ in answers} <= {200, 503}
        assert Metrics(server.http).sum("waferline_billing_retries_total") > 0
        deadline = time.monotonic() + 30
        while (report := asked(server, ["ledger", "verify"]))["unconfirmed"] > 0:
            assert time.monotonic() < deadline, report
        assert report["differences"] == [] and report["duplicates"] == report["unbalanced"] == 0, json.dumps(report)
        (row,) = database.rows("SELECT COUNT(*), SUM(charge_micro * 1000000 + charge_pico) FROM usage WHERE status = 'posted'")
        hours = database.rows("SELECT SUM(records), SUM(charge_micro * 1000000 + charge_pico) FROM usage_hour")
        assert hours == [row]
        # One that was refused after its end may have its record all the same.
        refused = len(answers) - len(kept)
        assert 2 * len(kept) <= int(row[0]) <= 2 * (len(kept) + refused)
        assert int(row[1]) >= int(sum(kept) * 10**12)
