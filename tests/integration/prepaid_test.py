"""Prepaid plans on a real waferd: what requests are checked against is the ledger's balance, and a limit that is not given stays."""

import concurrent.futures
import random
import re
from decimal import Decimal

import pytest

from accounts import call, cloud, complete, new_key  # noqa: F401 (a fixture)
from cloud import Waferd, waferctl
from ledger import PRICES, asked, ledger_config
from postgres import Postgres, Sqlite, database, programs  # noqa: F401 (a fixture)

MORE = (PRICES.replace('output: "2"', 'output: "2", system_second: "0.01"')
        .replace("prepaid: true}", "prepaid: true}, {name: time, bill: compute_time}, {name: timer, bill: compute_time, prepaid: true}"))


def config_of(folder, database):
    path = ledger_config(folder, database)
    (folder / "prices.yaml").write_text(MORE)
    return path


def left_of(server, key):
    """What a request that costs too much is refused with: USD that are left. None: it was admitted."""
    status, answer, _ = complete(server, key, max_tokens=2000)
    if status == 200:
        return None
    assert status == 429 and answer["error"]["code"] == "insufficient_quota", answer
    return Decimal(re.search(r"may cost: (-?[\d.]+) USD are left, 0.00 held by requests in flight", answer["error"]["message"])[1])


def ledger_left(server, database):
    """The ledger's balance, less system time that no invoice has booked yet."""
    balances = {one["account"]: Decimal(one["debit_usd"]) for one in asked(server, ["ledger", "balances"])["balances"]}
    ((time,),) = database.rows("SELECT COALESCE(SUM(charge_micro * 1000000 + charge_pico), 0) FROM usage WHERE plan = 'timer'")
    return -balances.get("tenant:acme:prepaid", Decimal(0)) - Decimal(time) / 10**12


@pytest.mark.parametrize("seed", [1, 2])
def test_requests_are_checked_against_the_ledgers_balance_after_any_steps(database, tmp_path, seed):
    rng, steps, paid = random.Random(seed), [f"seed {seed}"], 0
    path = config_of(tmp_path, database)
    server = Waferd(path)
    with server:
        key = new_key(server)["key"]
        asked(server, ["tenants", "add", "acme", "--plan", "payer"])
        checked = 0
        for _ in range(25):
            steps.append(rng.choice(["use", "use", "use", "pay", "plan", "kill"]))
            if steps[-1] == "use":
                complete(server, key, max_tokens=rng.randrange(1, 60))
            elif steps[-1] == "pay":
                paid = max(0, paid + rng.randrange(-500, 2000))
                steps[-1] += f" {paid}"
                asked(server, ["tenants", "add", "acme", "--plan", "payer"])
                asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", f"{Decimal(paid) / 1000000:f}"])
            elif steps[-1] == "plan":
                steps[-1] = rng.choice(["payer", "time", "timer", ""])
                call(server, "POST", "/admin/tenants", {"name": "acme", "plan": steps[-1]})
            else:
                server.process.kill()
                server.process.wait(30)
                server.port_file.unlink()
                server.__enter__()
            expected = ledger_left(server, database)
            assert asked(server, ["ledger", "verify"])["differences"] == [], steps
            (tenant,) = [one for one in call(server, "GET", "/admin/tenants")[1]["tenants"] if one["name"] == "acme"]
            if tenant["plan"] == "payer" and (left := left_of(server, key)) is not None:
                assert left == expected, steps
                checked += 1
        assert checked > 3


def test_what_usage_says_it_cost_is_what_the_invoice_has(tmp_path):
    with Sqlite() as database, Waferd(config_of(tmp_path, database)) as server:
        asked(server, ["tenants", "add", "root"])
        for plan in ("", "payer", "time", "timer"):
            name = f"t{plan}"
            call(server, "POST", "/admin/tenants", {"name": name, "plan": plan})
            if plan in ("payer", "timer"):
                asked(server, ["quotas", "set", "--tenant", name, "--prepaid-usd", "100"])
            key = new_key(server, tenant=name)["key"]
            costs = [Decimal(complete(server, key, max_tokens=5 + i)[1]["usage"]["cost"]) for i in range(3)]
            assert all(cost > 0 for cost in costs), plan
            (month,) = [one["id"] for one in call(server, "GET", "/admin/invoices")[1]["invoices"] if one["id"].startswith(name + ":")]
            lines = asked(server, ["invoice", "show", month])["invoice"]["lines"]
            usage = asked(server, ["usage", "--tenant", name])["data"]
            shown = waferctl("invoice", "show", month, "--server", server.http, "--api-key", "root").stdout.splitlines()[-1]
            said = re.fullmatch(r"total [\d.]+ USD(?:, from the prepaid balance ([\d.]+))?, credited 0.00, due [\d.]+", shown)
            paid = sum(Decimal(line["amount_usd"]) for line in lines)
            assert said and (Decimal(said[1]) == paid if plan in ("payer", "timer") else said[1] is None), shown
            total = sum(Decimal(row["exact_usd"]) for bucket in usage for row in bucket["results"])
            assert total == sum(costs), plan
            assert abs(total - sum(Decimal(line["amount_usd"]) for line in lines)) <= Decimal("1.5e-12"), plan  # half a picodollar a record


def test_a_tenant_sees_what_is_left_and_a_refusal_says_what_fits(tmp_path):
    with Sqlite() as database, Waferd(config_of(tmp_path, database)) as server:
        asked(server, ["tenants", "add", "acme", "--plan", "payer"])
        asked(server, ["tenants", "add", "zeta"])
        asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", "0.0005"])
        key, other = (new_key(server, tenant=tenant, read_usage=True)["key"] for tenant in ("acme", "zeta"))
        status, answer, _ = complete(server, key, max_tokens=2000)
        fits = int(re.search(r"may cost up to [\d.]+: it fits with a max_tokens of (\d+) or less$", answer["error"]["message"])[1])
        assert status == 429 and 0 < fits < 2000 and complete(server, key, max_tokens=fits)[0] == 200
        for path in ("usage/completions", "costs"):

            def balance(key, more=""):
                return call(server, "GET", f"/v1/organization/{path}?start_time=1{more}", key=key)[1].get("prepaid_balance")

            left = balance(key)
            assert Decimal(left.pop("left_usd")) == ledger_left(server, database) and left == {"held_usd": "0.00"}
            assert balance("root", "&tenants=acme") == balance(key) and balance("root") is None and balance(other) is None
        shown = waferctl("usage", "--server", server.http, "--api-key", key).stdout.splitlines()[-1]
        assert shown == f"prepaid balance: {balance(key)['left_usd']} USD left, 0.00 held by requests in flight"
        asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", "0"])
        assert balance(key)["left_usd"].startswith("-")
        assert "no max_tokens is small enough: send a shorter prompt, or have the balance raised" in complete(server, key)[1]["error"]["message"]


def test_a_limit_that_is_not_given_stays_as_it_is(tmp_path):
    with Sqlite() as database, Waferd(config_of(tmp_path, database)) as server:
        asked(server, ["tenants", "add", "acme", "--plan", "payer"])
        asked(server, ["tenants", "add", "zeta"])
        key = new_key(server)["key"]

        def quota(*words, code=0):
            return asked(server, ["quotas", "set", "--tenant", "acme", *words], code=code)

        quota("--prepaid-usd", "5", "--requests-per-day", "100", "--project-shares", "search=0.5")
        made = quota("--monthly-hard-usd", "20")
        assert made["prepaid_usd"] == "5.00" and made["requests_per_day"] == 100 and made["project_shares"] == {"search": "0.5"}
        assert complete(server, key)[0] == 200
        made = quota("--remove", "requests-per-day,project-shares")
        assert made["requests_per_day"] is None and made["project_shares"] == {} and made["monthly_hard_usd"] == "20.00"
        assert call(server, "POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": None})[1]["monthly_hard_usd"] is None
        assert [row["prepaid_usd"] for row in call(server, "GET", "/admin/quotas")[1]["quotas"]] == ["5.00"]
        status, error, _ = call(server, "POST", "/admin/quotas", {"tenant": "acme", "prepaid_usd": None})
        assert status == 400 and error["error"]["param"] == "prepaid_usd" and '"0" pays all of it back' in error["error"]["message"]
        for words, says in ((("--remove", "prepaid-usd"), "--prepaid-usd 0 pays back"), (("--remove", "nothing"), "is not one of requests-per-day"),
                            (("--remove", "monthly-hard-usd", "--monthly-hard-usd", "3"), "given twice, or set as well"),
                            ((), "there is nothing to change")):
            assert says in quota(*words, code=2)
        done = waferctl("quotas", "set", "--tenant", "acme", "--requests-per-day", "7", "--server", server.http, "--api-key", "root")
        assert done.stdout == "set the quota of acme: requests_per_day 7, prepaid_usd 5.00\n"
        done = waferctl("quotas", "remove", "acme", "--server", server.http, "--api-key", "root")
        assert "the 5.00 USD it paid in stay" in done.stdout
        assert "there is no tenant 'nosuch'" in asked(server, ["quotas", "remove", "nosuch"], code=1)
        refused = asked(server, ["quotas", "set", "--tenant", "zeta", "--prepaid-usd", "1"], code=1)
        assert "is used by prepaid plans alone, and the tenant 'zeta' has no plan: give it one first" in refused
        assert complete(server, key)[0] == 200 and asked(server, ["ledger", "verify"])["differences"] == []
        assert quota("--prepaid-usd", "0")["prepaid_usd"] == "0.00"
        assert complete(server, key)[0] == 429


def test_payments_at_several_servers_at_once_are_the_ledgers(tmp_path):
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() as database:
        path = config_of(tmp_path, database)
        with Waferd(path) as first, Waferd(path) as second:
            call(first, "POST", "/admin/tenants", {"name": "acme", "plan": "payer"})
            fields = ["requests_per_day", "tokens_per_minute"]

            def pay(server, field, seed):
                for i in range(15):
                    change = {"tenant": "acme", field: 1000 + i, "prepaid_usd": f"0.{random.Random(seed * 100 + i).randrange(10**6):06d}"}
                    assert call(server, "POST", "/admin/quotas", change)[0] == 200

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(pay, server, field, i) for i, (server, field) in enumerate([(first, fields[0]), (second, fields[1])] * 2)]:
                    done.result()
            (quota,) = call(first, "GET", "/admin/quotas")[1]["quotas"]
            assert [quota[field] for field in fields] == [1014, 1014]
            assert asked(first, ["ledger", "verify"])["differences"] == [] and ledger_left(first, database) == Decimal(quota["prepaid_usd"])


def test_a_payment_that_quota_and_ledger_do_not_agree_on_is_named_and_mended(database, tmp_path):
    path = config_of(tmp_path, database)
    with Waferd(path) as server:
        asked(server, ["tenants", "add", "acme", "--plan", "payer"])
        asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", "5"])
    database.run("UPDATE quota SET prepaid_micro = 7500000;")
    with Waferd(path) as server:
        (difference,) = asked(server, ["ledger", "verify"], code=1)["differences"]
        assert difference.startswith("tenant acme has paid in 7.50 by its quota, and 5.00 by the ledger: 'waferctl quotas set --tenant acme")
        asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", "7.5"])
        assert asked(server, ["ledger", "verify"])["differences"] == [] and ledger_left(server, database) == Decimal("7.5")


def test_without_prices_the_field_that_needs_them_is_named(tmp_path):
    with Sqlite() as database:
        path = config_of(tmp_path, database)
        path.write_text(path.read_text().replace("prices: ./prices.yaml, show_cost: true", ""))
        with Waferd(path) as server:
            for field in ("prepaid_usd", "monthly_hard_usd", "monthly_soft_usd"):
                status, error, _ = call(server, "POST", "/admin/quotas", {"tenant": "acme", field: "5"})
                assert status == 400 and error["error"]["message"].startswith(f"{field}: needs prices"), error
            assert call(server, "POST", "/admin/quotas", {"tenant": "acme", "requests_per_day": 5})[0] == 200
