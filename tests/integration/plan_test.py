"""waferctl plan: what runs and breaks say, and how faulty plans and parameters are refused."""

import json

import pytest

from cloud import ROOT, waferctl


def answer(*words):
    result = waferctl("plan", *words, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["750mw", "2gw", "750mw-supplier-slip"])
def test_a_shipped_plan_runs_and_its_books_close(name):
    plan = answer("run", name)
    assert len(plan["online_mw"]) == len(plan["contracted_mw"]) == plan["weeks"]
    assert all(a <= b for a, b in zip(plan["online_systems"], plan["online_systems"][1:]))
    for stage in plan["stages"]:
        assert stage["started"] == stage["good"] + stage["scrap"] + stage["in_work"]
    assert sum(span["to_week"] - span["from_week"] + 1 for span in plan["binding"]) == plan["weeks"]
    for month in plan["months"]:
        assert (month["cash_cents"] + month["receivables_cents"] + month["inventory_cents"] + month["property_cents"]
                == month["total_paid_in_cents"] + month["warrants_cents"] + month["retained_cents"])
    for parameter in plan["parameters"]:
        assert parameter["source"] and parameter["mark"] in "PSD?"
        assert parameter["low"] <= parameter["value"] <= parameter["high"]
    for model in plan["models"]:
        cost = model["usd_per_million_tokens"]
        assert 0 < cost["low"] < cost["value"] < cost["high"]


def test_the_slip_and_the_option_do_what_they_say():
    base, slip = answer("run", "750mw"), answer("run", "750mw-supplier-slip")
    assert slip["short_mw_months"] > base["short_mw_months"] + 1000
    assert all(a <= b for a, b in zip(slip["online_systems"], base["online_systems"]))
    assert any(span["reason"] == "outage" and span["stage"] == "power" for span in slip["binding"])
    option = answer("run", "2gw")
    assert option["contracted_mw"][-1] == 2000
    assert option["online_mw"][129] == base["online_mw"][129]


def test_a_second_foundry_is_a_parameter():
    base = answer("run", "750mw", "--set", "stages.power.rate.1.per_week=100000", "--set", "stages.wafers.rate.1.per_week=100")
    second = answer("run", "750mw", "--set", "stages.power.rate.1.per_week=100000", "--set", "stages.wafers.rate.1.per_week=100",
                    "--set", "stages.second-foundry.enabled=1")
    assert second["short_mw_months"] < base["short_mw_months"]


def test_shocks_a_price_cut_a_customer_lost_a_supplier_that_doubles_its_price():
    base = answer("run", "750mw")
    assert sum(share["usd"] for share in base["suppliers_of_a_system"]) == pytest.approx(450_000)
    assert sum(share["share"] for share in base["suppliers_of_a_system"]) == pytest.approx(1)

    def income(plan):
        return sum(month["operating_income_cents"] for month in plan["months"])

    cut = answer("run", "750mw", "--scale", "finance.price_usd_per_system_hour=0.7")
    assert income(cut) < income(base)
    power = answer("run", "750mw", "--scale", "stages.power.unit_cost_usd=2")
    assert power["usd_per_system_hour"]["depreciation"] == pytest.approx(base["usd_per_system_hour"]["depreciation"] * (450_000 + 84 * 240) / 450_000)
    lost = answer("run", "750mw", "--set", "contracted.committed.lost_week=156")
    assert lost["contracted_mw"][155] > 0 and lost["contracted_mw"][156] == 0
    assert lost["months"][-1]["contracted_cents"] == 0 and lost["months"][-1]["spot_cents"] > 0


def test_breaks_ranks_stages_suppliers_and_pairs_and_names_guesses():
    breaks = answer("breaks", "750mw", "--pairs")
    slack = [1e9 if row["slack_weeks"] is None else row["slack_weeks"] for row in breaks["stages"]]
    assert slack == sorted(slack)
    first = breaks["stages"][0]
    assert first["name"] == "power"
    assert "stages.power.rate.0.per_week" in first["guesses"]
    assert [slip["weeks"] for slip in first["slips"]] == [4, 13, 26]
    months = [pair["slips"][1]["mw_months"] for pair in breaks["pairs"]]
    assert months == sorted(months, reverse=True)
    assert len(breaks["pairs"]) == 36  # eight suppliers and the halls
    text = waferctl("plan", "breaks", "750mw", "--pairs").stdout
    assert "  power ?  " in text and "Vicor ?" in text and first["mark"] == "?"
    assert "that power breaks first rests on guesses: stages.power.rate.0.per_week" in text


def test_what_is_wrong_is_named(tmp_path):
    for words, error in [
        (["run", "750mw", "--set", "stages.power.led_weeks=8"], "did you mean 'stages.power.lead_weeks'?"),
        (["run", "750mw", "--set", "stages.power.lead_weeks"], "is not FIELD=VALUE"),
        (["run", "750mw", "--set", "stages.power.lead_weeks=x"], "is not NAME=NUMBER"),
        (["run", "750mw", "--set", "stages.power.lead_weeks=8", "--set", "stages.power.lead_weeks=9"], "--set: stages.power.lead_weeks is given twice"),
        (["mc", "750mw", "--scale", "finance.life_years=1", "--scale", "finance.life_years=2"], "--scale: finance.life_years is given twice"),
        (["run", "750mw", "--set", "stages.assembly.needs.power.units=0"], "must be from 1 to"),
        (["run", "750"], "750mw"),
        (["breaks", "750mw", "--week", "400"], "is out of range, the plan has 260 weeks"),
    ]:
        result = waferctl("plan", *words)
        assert result.returncode != 0
        assert error in result.stderr, result.stderr
    plan = tmp_path / "plan.yaml"
    number = "{value: 1, mark: D, source: test}"
    plan.write_text(f"""title: circle
start: 2026-01-05
kw_per_system: {number}
contracted: [{{name: all, mw: {number}, from_week: {{value: 0, mark: D, source: test}}, to_week: {number}}}]
stages:
  - {{name: a, supplier: x, rate: [{{week: 0, per_week: {{value: -4, mark: D, source: test}}}}], lead_weeks: {number}, needs: [{{stage: b, units: {number}}}]}}
  - {{name: b, supplier: x, rate: [{{week: 0, per_week: {number}}}], lead_weeks: {number}, needs: [{{stage: a, units: {number}}}]}}
halls: [{{name: h, how: rent, usd_per_mw_month: {number}, steps: []}}]
""")
    error = waferctl("plan", "run", plan).stderr
    for part in ["plan.yaml:6: stages[0].rate[0].per_week.value", "stages form a circle: a needs b needs a", "must be one of: lease, build"]:
        assert part in error, error


BASE = (ROOT / "deploy/plans/750mw.yaml").read_text()


# What is replaced in the shipped plan, by what, and the field and words that are named on that line.
FAULTY = [
    ("    supplier: memory maker\n", "    supplier: memory maker\n    needs: [{stage: commission, units: {value: 1, mark: D, source: x}}]\n", "stages[5].needs", "circle"),
    ("per_week: {value: 70,", "per_week: {value: -70,", "stages[0].rate[0].per_week.value", "must lie in [0, "),
    ("price_usd_per_system_hour: {contract: openai-750mw}", "price_usd_per_system_hour: {value: 1, mark: D, source: x}\n  "
     "price_usd_per_system_hour: {contract: openai-750mw}", "finance.price_usd_per_system_hour", "is given twice"),
    ("{name: gpt-oss-120b}", "{name: gpt-oss-120}", "serving.models[0].name", "did you mean 'gpt-oss-120b'?"),
    ("context: 4096\n", "context: 1000000000\n", "serving.models[0].name", "does not fit"),
    ("hardware: wse-3", "hardware: h200", "serving.hardware", "must be a wafer"),
    ("contract: openai-750mw}   # deploy", "contract: openai}   # deploy", "contracted[0].contract", "is not a built-in contracts file"),
    ("start: 2026-01-05", "start: soon", "start", "is not a UTC instant"),
    ("pue: {value: 1.25,", "pue: {value: 12.5,", "finance.pue.value", "must lie in [1, 4]"),
    ("life_years: {value: 5, low: 4", "life_years: {value: 5, low: 5.5", "finance.life_years.value", "outside its own range"),
    ("mark: \"P\", source: \"datasheet: 23 kW nameplate; analysts: 25 to 27 kW\"", "mark: X, source: x", "kw_per_system.mark", "must be P"),
]


@pytest.mark.parametrize("old, new, field, words", FAULTY, ids=[fault[2] for fault in FAULTY])
def test_a_fault_of_a_plan_is_named_with_its_line_and_field(tmp_path, old, new, field, words):
    assert old in BASE
    file = tmp_path / "plan.yaml"
    file.write_text(BASE.replace(old, new, 1))
    result = waferctl("plan", "run", file)
    assert result.returncode == 1 and result.stdout == ""
    named = [line for line in result.stderr.splitlines() if f": {field}: " in line]
    assert named and words in named[0], result.stderr
    line = int(named[0].split("plan.yaml:")[1].split(":")[0])
    at = BASE[:BASE.index(old)].count("\n") + 1
    assert at <= line <= at + new.count("\n"), result.stderr


def test_on_how_few_customers_revenue_rests(tmp_path):
    base, option = answer("run", "750mw"), answer("run", "2gw")
    for plan in (base, option):
        revenue = {}
        for month in plan["months"]:
            revenue[int(month["month"][:4])] = revenue.get(int(month["month"][:4]), 0) + month["revenue_cents"] + month["contra_cents"]
        for year in plan["concentration"]:
            assert year["revenue_cents"] == revenue[year["year"]]
            assert 0 < year["hhi"] <= 1
        # The option is the same buyer's: it remains one customer.
        assert all([one["name"] for one in year["customers"]] == ["openai"] for year in plan["concentration"])
    other = tmp_path / "plan.yaml"
    other.write_text("extends: 750mw\ntitle: two customers\ncontracted:\n  - {name: second, customer: b, mw: {value: 250, mark: D, source: x}, "
                     "from_week: {value: 0, mark: D, source: x}, to_week: {value: 156, mark: D, source: x}}\n")
    two = answer("run", other)["concentration"][0]
    shares = {one["name"]: one["share"] for one in two["customers"]}
    assert shares["openai"] == pytest.approx(3 * shares["b"], rel=0.01) and two["hhi"] == pytest.approx(0.625, abs=0.01)
    page = tmp_path / "plan.html"
    assert waferctl("plan", "run", other, "--html", page).returncode == 0
    assert "On how few customers each year&#39;s revenue rests" in page.read_text().replace("'", "&#39;")


def test_monte_carlo_repeats_and_its_percentiles_are_in_order():
    study = answer("mc", "750mw", "--runs", "100", "--seed", "5", "--figure", "usd_per_system_hour")
    assert study == answer("mc", "750mw", "--runs", "100", "--seed", "5", "--figure", "usd_per_system_hour")
    assert study["tornado"][0]["parameter"] == "finance.other_cost_usd"
    for spread in [*study["figures"].values(), *study["online_mw"], *study["cash_usd"]]:
        assert spread["p10"] <= spread["p50"] <= spread["p90"]
    other = answer("mc", "750mw", "--runs", "100", "--seed", "6")
    assert other["figures"] != study["figures"]
    assert "must be" in waferctl("plan", "mc", "750mw", "--figure", "happiness").stderr


def test_a_sweep_is_what_set_says_one_by_one():
    sweep = answer("sweep", "750mw", "--axis", "finance.other_cost_usd=200000:800000:3", "--axis", "finance.life_years=4:6:2")
    assert len(sweep["points"]) == 6
    for point in sweep["points"]:
        words = [word for name, value in point["at"].items() for word in ("--set", f"{name}={value}")]
        alone = answer("run", "750mw", *words)
        assert point["figures"]["usd_per_system_hour"] == pytest.approx(alone["usd_per_system_hour"]["total"])
        assert point["figures"]["short_mw_months"] == pytest.approx(alone["short_mw_months"])
    for axis, error in [("finance.life_years=4:6", "is not NAME=LOW:HIGH:N"), ("finance.life_yaers=4:6:2", "did you mean 'finance.life_years'?"),
                        ("finance.life_years=0:6:2", "must be from 0.5 to 50")]:
        assert error in waferctl("plan", "sweep", "750mw", "--axis", axis).stderr


def test_tiers_from_no_wafers_to_wafers_alone(tmp_path):
    tiers = answer("tier", "750mw", "--share", "0:1:0.25", "--runs", "20")
    shares = [point["share"] for point in tiers["points"]]
    assert shares == [0, 0.25, 0.5, 0.75, 1]
    assert tiers["points"][0]["wafers"]["machines"] == 0 and tiers["points"][-1]["gpus"]["machines"] == 0
    for point in tiers["points"]:
        cost = point["usd_per_million_tokens"]
        assert 0 < cost["p10"] <= cost["p50"] <= cost["p90"]
    assert tiers["at_low_latency_share"]["share"] == 0.1
    assert waferctl("plan", "tier", "750mw", "--runs", "5", "--svg", tmp_path / "t.svg", "--html", tmp_path / "t.html").returncode == 0
    page = (tmp_path / "t.html").read_text()
    assert page.count("<svg") == 1 and "demand.tokens_per_day" in page and "What is assumed" in page
    assert "<svg" in (tmp_path / "t.svg").read_text()
    assert "is not FROM:TO:STEP" in waferctl("plan", "tier", "750mw", "--share", "0:2:1").stderr


FLEET = ROOT / "deploy/config/fleets/conversation-70b.yaml"


def served(*words):
    return answer("serve", "750mw", "--config", FLEET, "--arrivals", "poisson:rate=15", "--count", "200", *words)


def test_a_plan_is_served_as_its_megawatts_come_online():
    plan = served("--scale", "1:1000", "--every", "52")
    weeks = plan["weeks"]
    assert [week["week"] for week in weeks] == [52, 104, 156, 208, 260]
    assert [week["load"] for week in weeks] == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])
    # Five wafers a unit: the first year's systems do not fill one.
    assert [week["units"] for week in weeks] == [int(week["online_systems"] / 5000) for week in weeks]
    assert "run" not in weeks[0] and not weeks[0]["holds"]
    assert weeks[-1]["holds"] and weeks[-1]["run"]["offered"] == 200
    assert plan["weeks_held"] == sum(week["holds"] for week in weeks)


def test_a_customer_who_leaves_takes_the_load_and_a_slip_the_units():
    lost = served("--every", "130", "--set", "contracted.committed.lost_week=200")
    assert [week["load"] for week in lost["weeks"]] == pytest.approx([130 / 156, 0])
    assert lost["weeks"][1]["holds"]
    slip = answer("serve", "750mw-supplier-slip", "--config", FLEET, "--arrivals", "poisson:rate=15", "--count", "200", "--every", "130")
    assert slip["weeks"][0]["online_systems"] < lost["weeks"][0]["online_systems"]
    assert "is not 1:N" in waferctl("plan", "serve", "750mw", "--config", FLEET, "--arrivals", "poisson:rate=1", "--scale", "1000").stderr
