"""A real PostgreSQL in trouble while records are committed: each answer has one record, sums count it once, and nothing stays held."""

import concurrent.futures
import json
import threading
import time
from decimal import Decimal

import pytest

from accounts import call, complete, new_key
from cloud import Metrics, Waferd
from ledger import asked, ledger_config
from postgres import Postgres, programs

SECONDS = 6


def ask(server, key, until, answers):
    while time.monotonic() < until and len(answers) < 800:  # a tenant may ask 1,000 times a day
        status, answer = call(server, "POST", "/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 4, "n": 2}, key)[:2]
        answers.append((status, answer.get("usage", {}).get("cost")))


pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed (Debian's package postgresql)")


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


def test_servers_that_share_a_database_do_not_wait_for_each_other(tmp_path):
    """Holds of two tenants with caps, in whatever order each server takes them."""
    with Postgres() as database:
        path = ledger_config(tmp_path, database)
        with Waferd(path) as first, Waferd(path) as second:
            keys = []
            for tenant in ("acme", "bolt"):
                assert call(first, "POST", "/admin/tenants", {"name": tenant})[0] in (200, 409)
                assert call(first, "POST", "/admin/quotas", {"tenant": tenant, "monthly_hard_usd": "100"})[0] == 200
                keys.append(new_key(first, tenant=tenant)["key"])
            while any(complete(second, key)[0] == 401 for key in keys):  # which looks for new ones once a second
                time.sleep(0.1)
            answers, until = [], time.monotonic() + SECONDS
            clients = [threading.Thread(target=ask, args=(server, key, until, answers)) for server in (first, second) for key in keys for _ in range(6)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            assert {status for status, _ in answers} == {200} and len(answers) > 50
            retries = sum(Metrics(server.http).sum("waferline_billing_retries_total") for server in (first, second))
            print(f"{len(answers)} answers, {retries} retries")
            assert retries <= 1  # a machine without a free core for a second
            assert database.rows("SELECT MAX(held_micro) FROM account") == [["0"]]


def test_a_record_waits_for_a_table_that_is_missing(tmp_path):
    with Postgres() as database, Waferd(ledger_config(tmp_path, database)) as server:
        key = new_key(server)["key"]
        assert call(server, "POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": "100"})[0] == 200
        body = {"model": "m", "prompt": "Once", "max_tokens": 4}
        database.run("ALTER TABLE entry RENAME TO elsewhere")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call, server, "POST", "/v1/completions", body, key)
            while Metrics(server.http).sum("waferline_billing_retries_total") == 0:
                time.sleep(0.05)
            database.run("ALTER TABLE elsewhere RENAME TO entry")
            assert answer.result(60)[0] == 200
        assert database.rows("SELECT MAX(held_micro) FROM account") == [["0"]]
        assert database.rows("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == [["1"]]
