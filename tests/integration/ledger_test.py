"""Rated records, the ledger and invoices of a real waferd: what answers say they cost, `waferctl ledger` and `waferctl invoice` against
the server and against its store, and that a damaged ledger is found."""

import http.client
import json
import sqlite3
import time
import urllib.error
import urllib.request
from decimal import Decimal

import pytest

from accounts_test import call, config, complete, new_key
from cloud import ROOT, Waferd, get, stream, waferctl, waferctl_json
from postgres import Postgres, Sqlite, programs
from schedule_digest_test import BLOCK_TOKENS, FLEETS, SEED, Scene, make_trace

PRICES = """
currency: USD
versions:
  - effective: 2026-01-01T00:00:00Z
    models: [{name: m, input: "1", cached_input: "0.5", output: "2", tiers: {flex: "0.5", priority: "2"}}]
    plans: [{name: payer, prepaid: true}]
"""


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    if request.param == "postgres" and programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() if request.param == "postgres" else Sqlite() as one:
        yield one


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
        # The store says the same, while the server owns it.
        store = ("--store", database.url)
        assert asked(server, ["invoice", "show", f"acme:{month}"], *store) == shown
        assert asked(server, ["ledger", "verify"], *store) == report
        early = waferctl("invoice", "close", f"acme:{month}", "--server", server.http, "--api-key", "root")
        assert early.returncode != 0 and "is a draft until" in early.stderr
        csv = waferctl("invoice", "export", f"acme:{month}", *store).stdout.splitlines()
        assert csv[0].startswith("BilledCost,")
        billed = sum(Decimal(line.split(",")[0]) for line in csv[1:])
        assert billed == Decimal(shown["total_usd"])  # rounding is a row
        lines = waferctl("invoice", "export", f"acme:{month}", "--format", "cloudevents", *store).stdout.splitlines()
        assert len(lines) == 11 and len({json.loads(line)["id"] for line in lines}) == 11


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


def test_a_trace_gives_the_same_invoice_offline_and_live_on_either_database(database, tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text(PRICES.replace("{name: m,", '{name: "*",'))
    scene = Scene(tmp_path, FLEETS["one wafer, shared prefixes"],
                  head=f'billing: {{store: "{database.url}", prices: ./prices.yaml, clock: emulated, '
                       'emulated_from: 2026-06-30T23:59:59Z}\n')
    scene.trace.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "tenant"}) + "\n" for line in scene.lines))
    flags = ["--trace", scene.trace, "--block-tokens", BLOCK_TOKENS, "--seed", SEED]
    offline = waferctl_json("sim", "--config", scene.fleet, *flags, "--prices", prices, "--bill-from", "2026-06-30T23:59:59Z", "--json")
    expected = {invoice["invoice"]: json.dumps(invoice) for invoice in offline["billing"]["invoices"]}
    assert len(expected) >= 1 and any('"cached_input"' in one for one in expected.values())
    store = ("--store", database.url)
    with Waferd(scene.server) as server:
        refused = post_status(server.http)
        assert refused[0] == 400 and "needs its " in refused[1]
        waferctl_json("bench", "replay", *flags, "--server", server.http, "--json")
        live = {name: json.dumps(asked(None, ["invoice", "show", name], *store)["invoice"]) for name in expected}
    # The last month's draft has the records of the one before too, as long as that is open.
    first = min(expected)
    assert live[first] == expected[first]
    assert asked(None, ["ledger", "verify"], *store)["differences"] == []


def replayed(folder, fleet, shards, *parts):
    """The invoices, as text, of a server with so many shards that replays these traces one after the other, started again between them."""
    folder.mkdir()
    with Sqlite() as database:
        scene = Scene(folder, FLEETS[fleet], head=f'billing: {{store: "{database.url}", prices: ../prices.yaml, clock: emulated}}\n')
        scene.server.write_text(scene.server.read_text().replace("shards: 2", f"shards: {shards}"))
        for number, lines in enumerate(parts):
            trace = folder / f"{number}.jsonl"
            trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
            with Waferd(scene.server) as server:
                waferctl_json("bench", "replay", "--trace", trace, "--block-tokens", BLOCK_TOKENS, "--seed", SEED, "--server", server.http, "--json")
        store = ("--store", database.url)
        assert asked(None, ["ledger", "verify"], *store)["differences"] == []
        names = [invoice["id"] for invoice in asked(None, ["invoice", "list"], *store)["invoices"]]
        return {name: waferctl("invoice", "show", name, "--json", *store).stdout for name in names}


def without(fields, lines):
    return [{key: value for key, value in line.items() if key not in fields} for line in lines]


def test_an_invoice_is_the_same_bytes_over_runs_and_with_any_number_of_shards(tmp_path):
    (tmp_path / "prices.yaml").write_text(PRICES.replace("{name: m,", '{name: "*",'))
    fleet, lines = "two wafers and a GPU, speculation, deadlines, caches on wafers", without({"tenant"}, make_trace(SEED))
    first = replayed(tmp_path / "first", fleet, 1, lines)
    assert len(first) == 1 and '"cached_input"' in next(iter(first.values()))
    for number, shards in enumerate((1, 2, 3)):
        assert replayed(tmp_path / str(number), fleet, shards, lines) == first, shards


def test_an_invoice_is_the_same_bytes_through_a_restart(tmp_path):
    (tmp_path / "prices.yaml").write_text(PRICES.replace("{name: m,", '{name: "*",'))
    # The second part comes when the first is over, and shares no prefix with it: no cache that counts is lost.
    early = without({"tenant", "deadline_ms"}, make_trace(SEED))
    late = [{**line, "arrival_s": line["arrival_s"] + 10, "blocks": [block + 10**6 for block in line["blocks"]]} for line in early]
    fleet = "one wafer, shared prefixes"
    assert replayed(tmp_path / "once", fleet, 2, early + late) == replayed(tmp_path / "restarted", fleet, 2, early, late)


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


def wait_until_idle(server):
    deadline = time.monotonic() + 60
    while any(unit["running"] for model in json.loads(get(server.http + "/admin/load"))["models"] for unit in model["units"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


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


def post_status(url):
    request = urllib.request.Request(url + "/v1/completions", json.dumps({"model": "demo", "prompt": "a", "max_tokens": 1}).encode(),
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_database_file_that_is_removed_is_noticed_and_nothing_is_lost(tmp_path):
    with Sqlite() as database:
        with Waferd(ledger_config(tmp_path, database)) as server:
            key = new_key(server)["key"]
            assert complete(server, key)[0] == 200
            away = database.path.with_name("away.db")
            database.path.rename(away)
            status, error, _ = complete(server, key)
            assert status == 503 and "was removed or replaced" in error["error"]["message"]
            try:
                urllib.request.urlopen(server.http + "/ready")
                raise AssertionError("ready without its database")
            except urllib.error.HTTPError as unready:
                assert unready.code == 503 and "was removed or replaced" in unready.read().decode()
            away.rename(database.path)
            assert complete(server, key)[0] == 200
            assert urllib.request.urlopen(server.http + "/ready").status == 200
        assert database.rows("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == [["2"]]


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
