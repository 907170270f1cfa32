"""waferctl sim search as a process: its answer is brute force's, it repeats, resumes, and names what is wrong."""

import json
import re

import pytest

from cloud import waferctl

FLEET = """models:
  - name: chat
    shape: llama-3.1-70b
    context: 32768
    prefill: {hardware: h100, workers: 2, devices_per_worker: 4}
    decode:
      - {name: wafer, hardware: wse-3, profile: vendor-2025, units: 1, wafers_per_unit: 5}
"""
LOAD = ["--arrivals", "poisson:rate=6", "--count", "600", "--prompt", "lognormal:mean=4000,sigma=1,max=16000"]
VARY = ["--vary", "models.0.prefill.workers=1:6", "--vary", "models.0.decode.0.wafers_per_unit=4:8"]


class Search:
    def __init__(self, folder):
        self.folder = folder
        self.fleet = folder / "fleet.yaml"
        self.fleet.write_text(FLEET)

    def run(self, *words, vary=VARY):
        confirm = [] if "--confirm" in words else ["--confirm", "0"]
        return waferctl("sim", "search", "--config", self.fleet, *LOAD, *vary, *confirm, *words)

    def answer(self, *words, **more):
        result = self.run(*words, "--json", **more)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(name="search")
def make_search(tmp_path):
    return Search(tmp_path)


def brute_force(search, ttft_ms, tpot_ms):
    """(cost, variant) of the cheapest of all variants, from the reports of a full sweep."""
    result = waferctl("sim", "sweep", "--config", search.fleet, *LOAD, "--json",
                      "--vary", "models.0.prefill.workers=1,2,3,4,5,6", "--vary", "models.0.decode.0.wafers_per_unit=4,5,6,7,8")
    assert result.returncode == 0, result.stderr
    held = []
    for run in json.loads(result.stdout)["runs"]:
        report = run.get("report")
        if report and report["requests"]["completed"] == 600 and report["ttft_ms"]["p99"] < ttft_ms and report["tpot_ms"]["p99"] < tpot_ms:
            workers, wafers = int(run["models.0.prefill.workers"]), int(run["models.0.decode.0.wafers_per_unit"])
            held.append((42 * wafers + 2.5 * 4 * workers, workers, wafers))
    return min(held) if held else None


@pytest.mark.parametrize("ttft_ms", [1500, 3000, 6000])
def test_the_answer_is_that_of_brute_force_with_fewer_runs(search, ttft_ms):
    cost, workers, wafers = brute_force(search, ttft_ms, 12)
    found = search.answer("--slo", f"ttft:p99<{ttft_ms}ms,tpot:p99<12ms")
    answer = found["answer"]
    assert answer["variant"] == {"models.0.prefill.workers": str(workers), "models.0.decode.0.wafers_per_unit": str(wafers)}
    assert answer["size"]["usd_per_hour"] == pytest.approx(cost)
    assert answer["size"]["systems"] == wafers + 4 * workers
    assert len(found["tried"]) + found["inferred"] + found["costlier"] + found["unbuildable"] == found["variants"] == 30
    assert len(found["tried"]) < 15
    whole = search.answer("--slo", f"ttft:p99<{ttft_ms}ms,tpot:p99<12ms", "--exhaustive")
    assert whole["answer"]["variant"] == answer["variant"]
    assert answer["holds_up_to_per_second"] >= found["offered_per_second"]
    assert answer["saturation_per_second"] > 0
    assert 0 < answer["binding"]["share"] <= 1


def test_the_rates_that_it_says_are_those_of_sim(search):
    answer = search.answer("--slo", "ttft:p99<3s")["answer"]
    fleet = search.folder / "answer.yaml"
    text = re.sub(r"workers: 2", "workers: " + answer["variant"]["models.0.prefill.workers"], FLEET)
    fleet.write_text(re.sub(r"wafers_per_unit: 5", "wafers_per_unit: " + answer["variant"]["models.0.decode.0.wafers_per_unit"], text))

    def p99_at(headroom):
        result = waferctl("sim", "--config", fleet, *LOAD, "--speed-up", 1 + headroom, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)["ttft_ms"]["p99"]

    assert p99_at(0) < 3000
    assert p99_at(answer["headroom_share"]) < 3010
    change = answer["next_changes"][0]
    assert change["requests_per_second"] == pytest.approx(answer["holds_up_to_per_second"] + change["gain_per_second"])


def test_it_says_up_to_which_rate_the_answer_holds_for_longer(search):
    """600 requests do not show a queue that grows slowly: what holds them need not hold 5,000."""
    answer = search.answer("--slo", "ttft:p99<3s", "--confirm", "5000")["answer"]
    assert answer["over_requests"] == 600 and answer["longer"]["requests"] == 5000
    assert 0 < answer["longer"]["holds_up_to_per_second"] <= answer["holds_up_to_per_second"] * 1.02
    fleet = search.folder / "answer.yaml"
    text = re.sub(r"workers: 2", "workers: " + answer["variant"]["models.0.prefill.workers"], FLEET)
    fleet.write_text(re.sub(r"wafers_per_unit: 5", "wafers_per_unit: " + answer["variant"]["models.0.decode.0.wafers_per_unit"], text))
    long = ["--count" if word == "--count" else "5000" if before == "--count" else word for before, word in zip(["", *LOAD], LOAD)]

    # A tenth below it: the rate of what is generated is not exactly --arrivals'.
    result = waferctl("sim", "--config", fleet, *long, "--speed-up", 0.9 * answer["longer"]["holds_up_to_per_second"] / 6, "--json")
    assert json.loads(result.stdout)["ttft_ms"]["p99"] < 3000
    said = search.run("--slo", "ttft:p99<3s", "--confirm", "5000").stdout
    assert re.search(r"holds up to [\d.]+ over 600 requests", said) and "over 5000 requests of the same load it holds up to" in said
    assert search.answer("--slo", "ttft:p99<3s")["answer"]["longer"] is None


def test_a_search_repeats_and_resumes(search):
    words = ["--slo", "ttft:p99<3s,tpot:p99<12ms"]
    first = search.answer(*words)
    journal = search.folder / "journal"
    assert search.answer(*words, "--resume", journal)["tried"] == first["tried"]
    lines = journal.read_text().splitlines(keepends=True)
    cut = len(lines) // 2
    journal.write_text("".join(lines[:cut]) + lines[cut][:-20])  # killed within a line
    again = search.answer(*words, "--resume", journal)
    assert again["run"]["from_journal"] == cut - 1
    assert again["run"]["simulated"] + cut - 1 == first["run"]["simulated"]
    assert {**again, "run": 0} == {**first, "run": 0}
    assert search.answer(*words, "--resume", journal)["run"]["simulated"] == 0
    other = search.run("--slo", "ttft:p99<4s", "--resume", journal)
    assert other.returncode == 1
    assert "belongs to another search: slo is" in other.stderr
    assert "not a journal" in search.run(*words, "--resume", search.fleet).stderr


def test_what_cannot_hold_is_named_with_the_nearest(search):
    result = search.run("--slo", "ttft:p99<10us")
    assert result.returncode == 1
    assert "no variant holds the SLO; nearest: models.0.prefill.workers=" in result.stdout
    assert "not one request is within" in result.stdout
    assert "no variant holds the SLO" in result.stderr


def test_bad_words_are_named(search):
    for words, vary, error in [
        (["--slo", "tftt:p99<5ms"], VARY, "did you mean 'ttft'?"),
        (["--slo", "ttft:p99<5"], VARY, "with its unit (us, ms, s)"),
        (["--slo", "ttft:p99<5ms"], ["--vary", "models.0.prefill.wrokers=1:4"], "did you mean 'workers'?"),
        (["--slo", "ttft:p99<5ms"], ["--vary", "models.3.prefill.workers=1:4"], "out of range"),
        (["--slo", "ttft:p99<5ms"], ["--vary", "models.0.prefill.workers=4:1"], "must rise"),
        (["--slo", "ttft:p99<5ms"], VARY + VARY[:2], "is given twice"),
        (["--slo", "ttft:p99<5ms", "--goodput", "ttft:1"], VARY, "--goodput has no effect"),
    ]:
        result = search.run(*words, vary=vary)
        assert result.returncode != 0, words
        assert error in result.stderr, result.stderr


def test_the_page_holds_all_it_needs(search):
    page = search.folder / "page.html"
    assert search.run("--slo", "ttft:p99<3s,tpot:p99<12ms", "--html", page).returncode == 0
    text = page.read_text()
    assert text.count("<svg") == 3
    assert "src=" not in text and "href=" not in text
    assert text.index("What is asked") < text.index("The answer") < text.index("What was tried")
