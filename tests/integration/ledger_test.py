"""Rated records, the ledger and invoices of a real waferd: what answers say they cost, `waferctl ledger` and `waferctl invoice` against
the server and against its store, and that a damaged ledger is found."""

import http.client
import json
import sqlite3
import time
from decimal import Decimal

import pytest

from accounts import call, complete, new_key
from cloud import Waferd, stream, waferctl
from ledger import PRICES, asked, ledger_config, price
from postgres import Sqlite, database  # noqa: F401 (a fixture)


def test_answers_of_every_kind_say_what_their_records_cost(database, tmp_path):
    with Waferd(ledger_config(tmp_path, database)) as server:
        key, total = new_key(server, project="search")["key"], Decimal(0)
        for tier, factor in (("default", "1"), ("flex", "0.5"), ("priority", "2")):
            body = {"model": "m", "prompt": "Once upon a time", "max_tokens": 7, "n": 2, "service_tier": tier}
            usage = call(server, "POST", "/v1/completions", body, key)[1]["usage"]
            assert Decimal(usage["cost"]) == price(usage, factor), (tier, usage)
            total += Decimal(usage["cost"])
        chat = {"model": "m", "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 5}
        usage = call(server, "POST", "/v1/chat/completions", chat, key)[1]["usage"]
        assert Decimal(usage["cost"]) == price(usage)
        total += Decimal(usage["cost"])
        events = [e for _, e in stream(server.http, "/v1/chat/completions", {**chat, "stream_options": {"include_usage": True}},
                                       {"authorization": f"Bearer {key}"})]
        assert Decimal(events[-1]["usage"]["cost"]) == price(events[-1]["usage"])
        total += Decimal(events[-1]["usage"]["cost"])
        for path, body in (("/v1/responses", {"model": "m", "input": "Once", "max_output_tokens": 16}),
                           ("/v1/messages", {"model": "m", "messages": chat["messages"], "max_tokens": 5})):
            usage = call(server, "POST", path, body, key)[1]["usage"]
            assert usage["usage_id"] and Decimal(usage["cost"]) > 0, path
            total += Decimal(usage["cost"])
        assert call(server, "POST", "/v1/completions", {"model": "other", "prompt": "a", "max_tokens": 1}, key)[1]["usage"]["cost"] == "0.00"

        balances = {one["account"]: Decimal(one["debit_usd"]) for one in asked(server, ["ledger", "balances"])["balances"]}
        assert balances["tenant:acme:receivable"] == total and sum(balances.values()) == 0
        (time_row,) = database.rows("SELECT SUM(system_ns), SUM(accelerator_ns), SUM(microjoules) FROM usage WHERE model = 'm'")
        assert all(int(value) > 0 for value in time_row)
        deadline = time.monotonic() + 30
        while (report := asked(server, ["ledger", "verify"]))["unconfirmed"] > 0:  # what was answered is marked soon
            assert time.monotonic() < deadline, report
        assert report["posted"] == 11 and report["differences"] == [] and report["duplicates"] == report["unbalanced"] == 0
        month = time.strftime("%Y-%m", time.gmtime())
        shown = asked(server, ["invoice", "show", f"acme:{month}"])
        assert shown["status"] == "draft" and Decimal(shown["invoice"]["exact_usd"]) == total
        used = [r for b in asked(server, ["usage", "--by", "tenant"])["data"] for r in b["results"]]
        assert {(r["tenant"], Decimal(r["exact_usd"])) for r in used} == {("acme", total)}
        # The store says the same, while the server owns it.
        store = ("--store", database.url)
        assert asked(server, ["invoice", "show", f"acme:{month}"], *store) == shown
        assert asked(server, ["ledger", "verify"], *store) == report
        early = waferctl("invoice", "close", f"acme:{month}", "--server", server.http, "--api-key", "root")
        assert early.returncode != 0 and "is a draft until" in early.stderr
        csv = waferctl("invoice", "export", f"acme:{month}", *store).stdout.splitlines()
        assert csv[0].startswith("BilledCost,")
        billed = sum(Decimal(line.split(",")[0]) for line in csv[1:])
        assert billed == total  # a draft is not rounded
        lines = waferctl("invoice", "export", f"acme:{month}", "--format", "cloudevents", *store).stdout.splitlines()
        assert len(lines) == 11 and len({json.loads(line)["id"] for line in lines}) == 11


def test_less_than_a_cent_is_not_shown_as_nothing(tmp_path):
    with Sqlite() as database, Waferd(ledger_config(tmp_path, database)) as server:
        key = new_key(server)["key"]
        cost = call(server, "POST", "/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 1}, key)[1]["usage"]["cost"]
        assert 0 < Decimal(cost) < Decimal("0.005")
        name = f"acme:{time.strftime('%Y-%m', time.gmtime())}"
        where = ("--server", server.http, "--api-key", "root")
        assert f"total {cost} USD, credited 0.00, due 0.00" in waferctl("invoice", "show", name, *where).stdout
        (line,) = [line.split() for line in waferctl("invoice", "list", *where).stdout.splitlines() if name in line]
        assert line == [name, "draft", cost, "0.00"]
        (tenant,) = [one for one in call(server, "GET", "/admin/tenants")[1]["tenants"] if one["name"] == "acme"]
        assert tenant["spent_usd"] == cost
        (kept,) = call(server, "GET", "/admin/invoices")[1]["invoices"]
        assert (kept["total_usd"], kept["exact_usd"]) == ("0.00", cost)


def shift_back(path, days):
    """The usage of a store as if it were so many days old."""
    us = days * 86_400_000_000
    database = sqlite3.connect(path)
    database.execute("UPDATE usage SET admitted_us = admitted_us - ?, ended_us = ended_us - ?", (us, us))
    database.execute("UPDATE usage_hour SET hour_us = hour_us - ?", (us,))
    (then,) = database.execute("SELECT MIN(ended_us) FROM usage").fetchone()
    month = time.strftime("%Y-%m", time.gmtime(then / 1e6))
    database.execute("UPDATE account SET period = ? WHERE period > 0", (int(month.replace("-", "")),))
    database.commit()
    database.close()
    return month


def test_a_closed_invoice_stays_is_credited_and_a_flipped_digit_is_found(tmp_path):
    with Sqlite() as database:
        path = ledger_config(tmp_path, database)
        with Waferd(path) as server:
            key = new_key(server)["key"]
            for _ in range(5):
                complete(server, key, max_tokens=2000)
        month = shift_back(database.path, 60)
        name, store = f"acme:{month}", ("--store", database.url)
        with Waferd(path) as server:
            closed = asked(server, ["invoice", "close", name])
            assert closed["status"] == "final"
            owned = waferctl("invoice", "close", name, *store)
            assert owned.returncode != 0 and "is open in another server" in owned.stderr
            assert call(server, "GET", "/admin/invoices")[1]["invoices"][0]["total_usd"] == closed["total_usd"] == "0.02"
            credit = ["invoice", "credit", name, "--amount-usd", "0.01", "--reason", "outage", "--id", "n1"]
            assert asked(server, credit)["due_usd"] == asked(server, credit)["due_usd"] == "0.01"
            more = asked(server, [*credit[:4], "0.02", *credit[5:-1], "n2"], code=1)
            assert "at most 0.01 are left" in more
        assert asked(None, ["ledger", "verify"], *store)["invoices"] == 1
        assert asked(None, ["invoice", "close", name], *store)["invoice"] == closed["invoice"]
        flipped = sqlite3.connect(database.path)
        flipped.execute("UPDATE usage SET charge_pico = charge_pico + 1 WHERE ordinal = 3")
        flipped.commit()
        flipped.close()
        report = asked(None, ["ledger", "verify"], *store, code=1)
        assert any("usage 1.3.0 costs" in one for one in report["differences"]), report
        # Usage keeps its price: a book that says otherwise does not start.
        (tmp_path / "prices.yaml").write_text(PRICES.replace('output: "2"', 'output: "3"'))
        with pytest.raises(RuntimeError, match="what was used keeps its price"):
            with Waferd(path):
                pass


PROMISED = PRICES.replace("prepaid: true}", "prepaid: true}, {name: promised, service: {availability: 0.9, cap_share: 0.5}}")


def test_requests_that_a_killed_server_cut_off_are_credited_on_the_invoice(tmp_path):
    with Sqlite() as database:
        path = ledger_config(tmp_path, database)
        (tmp_path / "prices.yaml").write_text(PROMISED)
        path.write_text("clock: {kind: real, scale: 0.01}\n" + path.read_text())  # so that one answer is under way for long
        with pytest.raises(RuntimeError, match="ended with -9"), Waferd(path) as server:
            key = new_key(server)["key"]
            asked(server, ["tenants", "add", "acme", "--plan", "promised"])
            for _ in range(3):
                assert complete(server, key, max_tokens=1)[0] == 200
            events = stream(server.http, "/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 2000},
                            {"authorization": f"Bearer {key}"})
            next(events)
            while database.rows("SELECT COUNT(*) FROM usage WHERE status = 'open'") != [["1"]]:
                time.sleep(0.02)
            server.process.kill()
            server.process.wait()
        with Waferd(path):  # settles what the dead one left
            assert database.rows("SELECT COUNT(*) FROM usage WHERE status = 'interrupted'") == [["1"]]
        name, store = f"acme:{shift_back(database.path, 60)}", ("--store", database.url)
        draft = asked(None, ["invoice", "show", name], *store)["invoice"]
        assert draft["service"] == {"promised": "0.9", "requests": 4, "failed": 1}
        charged = sum(Decimal(line["amount_usd"]) for line in draft["lines"] if "quantity" in line)
        (credit,) = [line for line in draft["lines"] if line["item"] == "service_credit"]
        assert Decimal(credit["amount_usd"]) == -charged * Decimal("0.15")  # a quarter is missing, of which a tenth may be
        assert "service_credit" in waferctl("invoice", "show", name, *store).stdout
        closed = asked(None, ["invoice", "close", name], *store)
        assert closed["status"] == "final" and closed["invoice"] == draft
        balances = {one["account"]: Decimal(one["debit_usd"]) for one in asked(None, ["ledger", "balances"], *store)["balances"]}
        assert balances["credits"] == charged * Decimal("0.15") and sum(balances.values()) == 0
        assert asked(None, ["ledger", "verify"], *store)["differences"] == []


def test_a_plan_is_of_the_prices_and_pays_from_what_was_paid_in(tmp_path):
    with Sqlite() as database, Waferd(ledger_config(tmp_path, database)) as server:
        key = new_key(server)["key"]
        status, error, _ = call(server, "POST", "/admin/tenants", {"name": "acme", "plan": "nothing"})
        assert status == 400 and error["error"]["message"] == 'plan is "nothing", must be one of: payer'
        asked(server, ["tenants", "add", "acme", "--plan", "payer"])
        status, refused, _ = complete(server, key)  # it has paid nothing in
        assert status == 429 and refused["error"]["code"] == "insufficient_quota" and "prepaid balance" in refused["error"]["message"]
        call(server, "POST", "/admin/quotas", {"tenant": "acme", "prepaid_usd": "1"})
        usage = complete(server, key)[1]["usage"]
        balances = {one["account"]: Decimal(one["debit_usd"]) for one in asked(server, ["ledger", "balances"])["balances"]}
        assert balances["tenant:acme:prepaid"] == Decimal(usage["cost"]) - 1 and balances["cash"] == 1
        assert asked(server, ["ledger", "verify"])["differences"] == []


def test_a_stream_that_its_client_leaves_is_charged_for_what_was_generated(tmp_path):
    with Sqlite() as database:
        path = ledger_config(tmp_path, database)
        path.write_text("clock: {kind: real, scale: 0.01}\n" + path.read_text())  # slow enough to leave in the middle
        with Waferd(path) as server:
            key = new_key(server)["key"]
            connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=60)
            connection.request("POST", "/v1/completions", json.dumps({"model": "m", "prompt": "Once upon a time", "max_tokens": 1500,
                                                                      "stream": True}),
                               {"content-type": "application/json", "authorization": f"Bearer {key}"})
            reply = connection.getresponse()
            assert reply.readline().startswith(b"data: ")
            reply.close()
            connection.close()
            deadline = time.monotonic() + 60
            while not (rows := database.rows("SELECT reason, prompt, cached, generated, charge_micro FROM usage WHERE status = 'posted'")):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            ((reason, prompt, cached, generated, charge),) = rows
            assert reason == "cancelled" and 0 < int(generated) < 1500
            assert 2 * int(charge) == 2 * (int(prompt) - int(cached)) + int(cached) + 4 * int(generated)
            assert asked(server, ["ledger", "verify"])["differences"] == []


def test_drafts_are_listed_with_their_totals_also_of_a_server_without_keys(tmp_path):
    with Sqlite() as database:
        path = ledger_config(tmp_path, database)
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("api_keys")))
        with Waferd(path) as server:
            usage = complete(server, None)[1]["usage"]
            (draft,) = asked(server, ["invoice", "list"], "--server", server.http)["invoices"]
            assert draft["id"] == "no-tenant:" + time.strftime("%Y-%m", time.gmtime()) and draft["status"] == "draft"
            exact = price(usage)
            assert draft["total_usd"] == str(exact.quantize(Decimal("0.01"), rounding="ROUND_HALF_EVEN"))
            shown = asked(server, ["invoice", "show", draft["id"]], "--server", server.http)
            assert shown["id"] == draft["id"] and Decimal(shown["invoice"]["exact_usd"]) == exact


def test_what_a_killed_server_recorded_and_perhaps_did_not_send_is_counted_and_credited(tmp_path):
    with Sqlite() as database:
        path = ledger_config(tmp_path, database)
        with Waferd(path) as server:
            key = new_key(server)["key"]
            for _ in range(4):
                complete(server, key)
        (answered,) = database.rows("SELECT answered FROM epoch")
        assert answered == ["1-4"]
        # As if it had been killed before its third answer was sent.
        edited = sqlite3.connect(database.path)
        edited.execute("UPDATE epoch SET ended_us = 0, answered = '1-2,4'")
        edited.commit()
        edited.close()
        assert asked(None, ["ledger", "verify"], "--store", database.url)["unconfirmed"] == 1
        path.write_text(path.read_text().replace("show_cost: true", "show_cost: true, unconfirmed: credit"))
        with Waferd(path) as server:
            assert "1 recorded answers of servers that died were perhaps not sent: credited" in server.log()
            report = asked(server, ["ledger", "verify"])
            assert (report["posted"], report["interrupted"], report["differences"]) == (3, 1, [])
            rows = database.rows("SELECT status, reason, charge_micro FROM usage WHERE ordinal = 3")
            assert rows == [["interrupted", "unconfirmed", "0"]]
