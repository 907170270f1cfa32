"""Limits of tenants and projects on a real waferd with a database: they hold with many clients, several servers and kills."""

import http.client
import re
import threading
import time
import types

import pytest

from accounts import call, cloud, complete, config, new_key  # noqa: F401 (a fixture)
from cloud import Waferd, stream
from postgres import Postgres, Sqlite, programs


def test_a_hard_cap_and_a_prepaid_balance_hold_under_races(cloud):
    server, database = cloud
    key = new_key(server)["key"]
    for field, period, cap in (("monthly_hard_usd", "period > 0", 500), ("prepaid_usd", "period = 0", 0)):
        if field == "prepaid_usd":
            assert call(server, "POST", "/admin/tenants", {"name": "acme", "plan": "payer"})[0] == 200
        quota = {"tenant": "acme", "monthly_hard_usd": None, field: "0.000500"}
        assert call(server, "POST", "/admin/quotas", quota)[0] == 200
        seen = []
        clients = [threading.Thread(target=lambda: seen.extend(complete(server, key, 40) for _ in range(5))) for _ in range(8)]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            assert all(int(row[0]) <= cap for row in database.rows(
                f"SELECT spent_micro + held_micro FROM account WHERE tenant = 'acme' AND {period}"))
            time.sleep(0.01)
        refused = [error for status, error, _ in seen if status == 429]
        assert refused and all(error["error"]["code"] == "insufficient_quota" for error in refused)
        assert {status for status, _, _ in seen} == {200, 429}
        assert int(database.rows("SELECT MAX(held_micro) FROM account")[0][0]) == 0
    assert call(server, "POST", "/admin/quotas", {"tenant": "acme", "prepaid_usd": "1"})[0] == 200
    assert complete(server, key, 40)[0] == 200


def test_other_quotas_and_the_soft_limit(cloud):
    server, _ = cloud
    key = new_key(server)["key"]
    quota = {"tenant": "acme", "concurrent_requests": 1, "monthly_soft_usd": "0.000001"}
    assert call(server, "POST", "/admin/quotas", quota)[0] == 200
    assert "x-waferline-spend" not in complete(server, key)[2]
    deadline = time.monotonic() + 60
    while complete(server, key)[2].get("x-waferline-spend") != "over-soft-limit":  # what is spent is looked at every half second
        assert time.monotonic() < deadline
    assert call(server, "POST", "/admin/tenants", {"name": "zeta"})[0] == 200
    assert call(server, "POST", "/admin/quotas", {"tenant": "zeta", "requests_per_day": 3})[0] == 200
    assert [one["requests_per_day"] for one in call(server, "GET", "/admin/quotas")[1]["quotas"]] == [None, 3]
    other = new_key(server, tenant="zeta")["key"]
    assert [complete(server, other)[0] for _ in range(3)] == [200] * 3
    status, error, _ = complete(server, other)
    assert status == 429 and "3 requests a day" in error["error"]["message"]


def test_tokens_a_minute_and_requests_in_flight_are_limited(tmp_path):
    with Sqlite() as database:
        path = config(tmp_path, database)
        path.write_text("clock: {kind: real, scale: 0.01}\n" + path.read_text())  # so that one answer is under way for long
        with Waferd(path) as server:
            key = new_key(server)["key"]
            assert call(server, "POST", "/admin/quotas", {"tenant": "acme", "concurrent_requests": 1, "tokens_per_minute": 1000})[0] == 200
            events = stream(server.http, "/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 900, "ignore_eos": True},
                            {"authorization": f"Bearer {key}"})
            next(events)
            status, error, _ = complete(server, key, 1)
            assert status == 429 and "1 requests in flight" in error["error"]["message"], error
            events.close()
            deadline = time.monotonic() + 60
            while (answer := complete(server, key, 1))[0] != 200:  # until the server sees that the client has left
                assert answer[0] == 429 and time.monotonic() < deadline
            status, error, _ = complete(server, key, 1200)
            assert status == 429 and "tokens a minute" in error["error"]["message"], error


def test_a_refused_arrival_does_not_hold_up_its_trace(tmp_path):
    with Sqlite() as database:
        path = config(tmp_path, database)
        emulated = path.read_text().replace("prices.yaml}", "prices.yaml, clock: emulated}")
        path.write_text("clock: {kind: stepped, arrival_grace_us: 300000000}\n" + emulated)
        with Waferd(path) as server:
            key = new_key(server)["key"]
            assert call(server, "POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": "0.000001"})[0] == 200

            def ask(number, key):
                own = {"arrival_ns": number * 1000, "arrival_number": number, "last_arrival": number == 1}
                return call(server, "POST", "/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 4, "waferline": own}, key)

            assert ask(0, key)[1]["error"]["code"] == "insufficient_quota"
            status, answer, _ = ask(1, "root")
            assert status == 200, answer


def test_a_project_has_its_share_of_a_tenants_limits(cloud):
    server, database = cloud
    search, chat = (new_key(server, project=project)["key"] for project in ("search", "chat"))
    quota = {"tenant": "acme", "requests_per_day": 8, "project_shares": {"search": "0.25"}}
    assert call(server, "POST", "/admin/quotas", quota)[1]["project_shares"] == {"search": "0.25"}
    codes = [complete(server, search)[0] for _ in range(3)]
    assert codes == [200, 200, 429]
    assert [complete(server, chat)[0] for _ in range(7)] == [200] * 6 + [429]
    # $0.0006, a quarter of it the project's: 4 requests of at most 84 + 2 x 30 microdollars would pass it.
    spent = int(database.rows("SELECT spent_micro FROM account WHERE tenant = 'acme' AND project = '' AND period > 0")[0][0])
    mine = int(database.rows("SELECT spent_micro FROM account WHERE project = 'search'")[0][0])
    cap = 4 * (mine + 150)
    quota = {"tenant": "acme", "requests_per_day": None, "monthly_hard_usd": f"0.{cap:06d}"}
    assert call(server, "POST", "/admin/quotas", quota)[0] == 200
    refused = None
    for _ in range(20):
        status, answer, _ = complete(server, search, 30)
        if status == 429:
            refused = answer["error"]
            break
    assert refused["code"] == "insufficient_quota" and re.search(r"project's share .*: of [\d.]+ USD, [\d.]+ are spent, [\d.]+ held by requests in flight, and this one may cost up to [\d.]+: ",
                                                               refused["message"]), refused
    assert int(database.rows("SELECT spent_micro + held_micro FROM account WHERE project = 'search'")[0][0]) <= cap // 4
    assert spent < cap and complete(server, chat, 5)[0] == 200


def test_a_hard_cap_holds_with_64_clients_two_servers_and_kills(tmp_path):
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() as database:
        path = config(tmp_path, database)
        first, second = Waferd(path), Waferd(path)
        with first, second:
            key, cap = new_key(first)["key"], 0
            second.command[second.command.index("--http-port") + 1] = second.http.rsplit(":", 1)[1]  # clients find it again
            stopping, seen = threading.Event(), set()

            def ask(url):
                server = types.SimpleNamespace(http=url)
                while not stopping.is_set():
                    try:
                        seen.add(complete(server, key, 40)[0])
                    except (OSError, http.client.HTTPException):
                        time.sleep(0.05)  # it was killed

            def most():
                return max([int(row[0]) for row in database.rows("SELECT spent_micro + held_micro FROM account")], default=0)

            clients = [threading.Thread(target=ask, args=(server.http,)) for server in (first, second) for _ in range(32)]
            for kill in range(4):
                cap += 4000
                assert call(first, "POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": f"0.{cap:06d}"})[0] == 200
                if kill == 0:
                    for client in clients:
                        client.start()
                deadline = time.monotonic() + 60
                while most() < cap - 1000:  # more than half of what was added is taken
                    assert most() <= cap and time.monotonic() < deadline
                second.process.kill()
                second.process.wait(30)
                assert most() <= cap
                second.port_file.unlink()
                second.__enter__()
            stopping.set()
            for client in clients:
                client.join(120)
            assert 200 in seen and seen <= {200, 401, 429, 503} and most() <= cap
            report = call(first, "GET", "/admin/ledger/verify")[1]
            assert report["differences"] == [] and report["duplicates"] == 0 and report["interrupted"] > 0
