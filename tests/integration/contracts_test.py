"""waferctl contract: a contract's months add up, its obligations have the disclosed shape, its loan the known interest."""

import json
from decimal import Decimal

from cloud import waferctl

NAME = "openai-750mw"


def ask(*words):
    result = waferctl("contract", *words, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_months_add_up():
    answer = ask("schedule", NAME, "--used", "0.8", "--available", "0.98")
    assert (answer["systems"], answer["systems_within"]) == (32609, 32608)
    months = answer["months"]
    assert sum(Decimal(month["committed_usd"]) for month in months) == Decimal(answer["total_usd"]) == 20_000_000_000
    for month in months:
        money = {name: Decimal(month[f"{name}_usd"]) for name in ("billed", "credit", "pass_through", "contra_revenue", "recognised")}
        assert money["recognised"] == money["billed"] - money["credit"] + money["pass_through"] - money["contra_revenue"]
    assert {source["mark"] for source in answer["sources"]} <= {"P", "S", "D", "?"}


def test_a_term_of_54_months_explains_what_was_disclosed_and_36_does_not():
    disclosed = {"2026-01": (15, 43, 42), "2026-07": (22, 43, 35)}
    for month, shares in disclosed.items():
        assert all(abs(a - b) < 3 for a, b in zip(ask("rpo", NAME, "--at", month)["percent"], shares))
        assert any(abs(a - b) > 10 for a, b in zip(ask("rpo", NAME, "--at", month, "--term", "36")["percent"], shares))


def test_the_loan_by_cash_capacity_and_half_and_half():
    interest = {}
    for how in ("cash", "capacity", "mixed:0.5"):
        answer = ask("loan", NAME, "--repay", how)
        interest[how] = sum(Decimal(month["paid_usd"]) for month in answer["months"])
        assert answer["as_annuity"]["payment_usd"] == "30421937.45"
    assert interest["capacity"] == 0
    assert abs(interest["cash"] - 2 * interest["mixed:0.5"]) < 1
    assert ask("warrant", NAME, "--at-mw", "2000")["vested"] == 33445026


def test_concentration(tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text("customer,revenue_usd,group\nMBZUAI,62,x\nG42,24,x\n*,14,\n")
    answer = ask("concentration", str(file))
    assert abs(answer["hhi_low"] - 0.442) < 1e-9
    assert abs(answer["top_two"] - 0.86) < 1e-9
    assert ask("concentration", str(file), "--without", "MBZUAI")["total_usd"] == "38.00"


def test_faults_are_named(tmp_path):
    file = tmp_path / "contract.yaml"
    file.write_text("name: c\n")
    for words, error in [(("schedule", "openai"), "is not a built-in contracts file"), (("schedule", str(file)), "contract.yaml:1: buyer: is missing"),
                         (("rpo", NAME, "--at", "2026"), "--at: \"2026\" is not a month"), (("schedule", NAME, "--used", "x"), "--used: \"x\" is not a decimal"),
                         (("loan", NAME, "--repay", "gold"), "--repay: must be cash, capacity or mixed:SHARE"),
                         (("schedule", NAME, "--from", "2050-01"), "the contract has no month there")]:
        result = waferctl("contract", *words)
        assert result.returncode != 0
        assert error in result.stderr, result.stderr


def test_set_changes_a_field_and_a_wrong_one_is_named():
    assert len([m for m in ask("loan", NAME, "--set", "loan.instalments=12")["months"] if Decimal(m["repaid_capacity_usd"]) > 0]) == 12
    assert ask("warrant", NAME, "--set", "committed_mw=2000")["vested"] == 33_445_026
    for assignment, error in [("price.total_us=1", "did you mean 'total_usd'?"), ("price.usd_per_mw_year=1", "is a second price"),
                              ("loan", "is not FIELD=VALUE"), ("loan={}", "loan replaces loan.rate, which was given before it"),
                              ("loan.rate=0.07", "--set: loan.rate is given twice")]:
        result = waferctl("contract", "schedule", NAME, "--set", "loan.rate=0.05", "--set", assignment)
        assert result.returncode != 0
        assert error in result.stderr, result.stderr


def test_pictures_and_what_was_disclosed(tmp_path):
    for command in ("rpo", "schedule"):
        result = waferctl("contract", command, NAME, "--svg", tmp_path / f"{command}.svg")
        assert result.returncode == 0, result.stderr
        assert "<svg" in (tmp_path / f"{command}.svg").read_text()
    assert "2026-07, disclosed" in (tmp_path / "rpo.svg").read_text()
    assert "published of the obligations" in waferctl("contract", "rpo", NAME).stdout
