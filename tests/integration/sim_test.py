"""waferctl sim, sim sweep, sim compare and selftest laws as processes: what they write, and what they refuse and how."""

import csv
import json
import pathlib
import random
import xml.etree.ElementTree

import pytest

from cloud import waferctl

FLEET = """models:
  - name: small
    shape: llama-3.1-8b
    context: 8192
    prefill: {hardware: h100, workers: 2, cache_tokens: 200000}
    decode:
      - {hardware: wse-3, profile: vendor-2024, max_running: 16}
      - {name: gpu, hardware: h100, max_running: 16}
    link: {bytes_per_second: 5.0e+10, latency_us: 10}
    scheduling: {block_tokens: 512, overlap: layer}
"""


def mooncake(draw, at):
    prompt = draw.randint(1, 4000)
    return json.dumps({"timestamp": round(at * 1e3), "input_length": prompt, "output_length": draw.randint(1, 200),
                       "hash_ids": [draw.randrange(3) if place == 0 else draw.randrange(1 << 40)
                                    for place in range(-(-prompt // 512))]})


def jsonl(draw, at):
    return json.dumps({"arrival_s": round(at, 6), "prompt_tokens": draw.randint(1, 4000), "output_tokens": draw.randint(1, 200),
                       "service_tier": draw.choice(["flex", "priority", "default"]), "tenant": draw.choice(["a", "b"])})


def azure(draw, at):
    return f"2023-11-16 18:{int(at) // 60:02}:{at % 60:09.6f}0,{draw.randint(1, 4000)},{draw.randint(1, 200)}"


FORMATS = {"mooncake": (mooncake, []), "jsonl": (jsonl, []), "azure": (azure, ["TIMESTAMP,ContextTokens,GeneratedTokens"])}


class Sim:
    """waferctl sim on a fleet and traces in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.fleet = self.write("fleet.yaml", FLEET)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def trace(self, form, requests=150, spoil=()):
        """`spoil`: lines (counted from 1, without the header) that are replaced by rubbish."""
        line, header = FORMATS[form]
        draw, at, lines = random.Random(7), 0, []
        for _ in range(requests):
            at += draw.expovariate(20)
            lines.append(line(draw, at))
        for number in spoil:
            lines[number - 1] = "rubbish"
        return self.write(f"{form}.trace", "\n".join(header + lines) + "\n")

    def report(self, *words, command=("sim",)):
        result = waferctl(*command, "--config", self.fleet, *words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def refused(self, *words, says, code=None):
        result = waferctl(*words)
        assert result.returncode != 0, words
        if code is not None:
            assert result.returncode == code, result.stderr
        assert says in result.stderr
        assert result.stdout == ""


@pytest.fixture(name="sim")
def make_sim(tmp_path):
    return Sim(tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read_named_or_guessed(sim, form):
    trace = sim.trace(form)
    guessed = sim.report("--trace", trace)
    named = sim.report("--trace", trace, "--format", form)
    assert guessed["receipt"] == named["receipt"]
    assert guessed["requests"]["offered"] == 150
    assert guessed["requests"]["completed"] == 150
    for part in ("ttft_ms", "inter_token_ms", "tpot_ms", "e2e_ms"):
        assert guessed[part]["p50"] <= guessed[part]["p99"]
        assert guessed[part]["mean"] > 0
    assert (guessed["prefix_cache"]["hit_share"] > 0) == (form == "mooncake")


@pytest.mark.parametrize("form", FORMATS)
def test_bad_lines_are_named_or_left_out_and_counted(sim, form):
    trace = sim.trace(form, spoil=(4, 90))
    first = 4 + len(FORMATS[form][1])
    sim.refused("sim", "--config", sim.fleet, "--trace", trace, "--format", form, says=f"line {first}:")
    result = waferctl("sim", "--config", sim.fleet, "--trace", trace, "--format", form, "--skip-bad", "--json")
    assert result.returncode == 0, result.stderr
    assert f"left out: line {first}:" in result.stderr
    report = json.loads(result.stdout)
    assert (report["requests"]["offered"], report["skipped_lines"]) == (148, 2)


def test_a_row_for_each_request_whose_parts_add_up(sim):
    table = sim.folder / "requests.csv"
    report = sim.report("--trace", sim.trace("jsonl"), "--requests", table)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["request"]) for row in rows) == list(range(1, 151))
    assert {row["tenant"] for row in rows} == {"a", "b"}
    for row in rows:
        parts = sum(float(row[f"{part}_ms"]) for part in ("queue", "prefill", "transfer", "decode"))
        assert parts == pytest.approx(float(row["e2e_ms"]), rel=0, abs=0.5e-5)
    mean = sum(float(row["ttft_ms"]) for row in rows) / len(rows)
    assert report["ttft_ms"]["mean"] == pytest.approx(mean, rel=0, abs=0.5e-4)


def test_the_timeline_is_what_perfetto_reads(sim):
    path = sim.folder / "timeline.json"
    sim.report("--trace", sim.trace("mooncake"), "--timeline", path)
    events = json.loads(path.read_text())["traceEvents"]
    open_spans = 0
    for event in events:
        assert "pid" in event
        if event["ph"] != "M":
            assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] > 0
        open_spans += {"b": 1, "e": -1}.get(event["ph"], 0)
    assert open_spans == 0
    assert sum(event["ph"] == "b" for event in events) > 150


def test_reports_go_where_they_are_sent_and_repeat(sim):
    out = sim.folder / "report.json"
    trace = sim.trace("jsonl")
    result = waferctl("sim", "--config", sim.fleet, "--trace", trace, "--json", out)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    report = json.loads(out.read_text())
    assert report["receipt"] == sim.report("--trace", trace)["receipt"]
    for name in ("config_hash", "trace_hash", "digest", "seed", "version"):
        assert name in report["receipt"]
    assert report["run"]["peak_memory_bytes"] > 1e6
    assert report["run"]["simulation_seconds"] > 0
    assert report["energy_kwh"] > 0
    people = waferctl("sim", "--config", sim.fleet, "--trace", trace)
    assert report["receipt"]["digest"] in people.stdout
    fast = sim.report("--trace", trace, "--speed-up", 4)
    assert fast["emulated_seconds"] < report["emulated_seconds"]
    assert sim.report("--trace", trace, "--repeat", 3)["requests"]["offered"] == 450


def test_generated_arrivals_of_every_kind(sim):
    digests = set()
    for arrivals in ("constant:rate=30", "poisson:rate=30", "gamma:rate=30,cv=3", "weibull:rate=30,shape=0.6",
                     "diurnal:rate=30,swing=0.8,period=20"):
        words = ["--arrivals", arrivals, "--count", 300, "--prompt", "lognormal:mean=500,sigma=1,max=4000", "--output",
                 "exponential:mean=50,max=300", "--prefix-share", 0.5, "--prefixes", 2, "--prefix-tokens", 1024]
        report = sim.report(*words, "--seed", 5)
        assert report["requests"]["offered"] == 300
        assert report["emulated_seconds"] == pytest.approx(10, rel=0, abs=6)
        assert report["receipt"]["digest"] == sim.report(*words, "--seed", 5)["receipt"]["digest"]
        digests |= {report["receipt"]["digest"], sim.report(*words, "--seed", 6)["receipt"]["digest"]}
    assert len(digests) == 10


def test_tiers_objectives_and_faults_show_in_the_report(sim):
    calm = sim.report("--trace", sim.trace("jsonl"), "--goodput", "ttft:60,tpot:5")
    tokens = {device["name"]: device.get("tokens", 0) for device in calm["devices"]}
    assert tokens["small/gpu-0"] > 0  # flex
    assert tokens["small/wafer-0"] > 0
    assert 0 < calm["goodput"]["share"] < 1
    sim.fleet = sim.write("faulty.yaml", FLEET + "faults:\n"
                            "  - {at_s: 2, fault: unit_lost, index: 0}\n  - {at_s: 3, fault: unit_back, index: 0}\n"
                            "  - {at_s: 4, fault: worker_lost, index: 1}\n  - {at_s: 5, fault: link_speed, index: 0, factor: 0}\n"
                            "  - {at_s: 5.5, fault: link_speed, index: 0, factor: 1}\n")
    faulty = sim.report("--trace", sim.trace("jsonl"))
    assert faulty["requests"]["restarted"]["unit_lost"] > 0
    assert faulty["requests"]["restarted"]["lease_expired"] > 0
    done = faulty["requests"]
    assert done["completed"] + sum(done["refused"].values()) == 150
    assert faulty["e2e_ms"]["mean"] > calm["e2e_ms"]["mean"]


def test_what_has_no_effect_or_cannot_be_is_refused_by_name(sim):
    trace = sim.trace("jsonl")
    traced = ["sim", "--trace", trace]
    run = [*traced, "--config", sim.fleet]
    generated = ["sim", "--config", sim.fleet, "--arrivals", "poisson:rate=1"]
    sim.refused("sim", "--trace", trace, says="--config", code=2)
    sim.refused("sim", "--config", sim.fleet, says="--trace", code=2)
    sim.refused(*run, "--arrivals", "poisson:rate=1", says="give --trace FILE or --arrivals SPEC", code=2)
    sim.refused(*run, "--count", 5, says="--count has no effect", code=2)
    sim.refused(*run, "--format", "csv", says="must be one of: mooncake, azure, jsonl", code=2)
    sim.refused(*run, "--goodput", "speed:1", says="speed", code=2)
    sim.refused(*run, "--goodput", "ttft:1,ttft:2", says="ttft is given twice", code=2)
    sim.refused(*run, "--speed-up", 1e-6, "--repeat", 1000, says="emulated time")
    sim.refused(*run, "out.json", says="--json", code=2)
    sim.refused(*generated, "--format", "azure", says="--format has no effect", code=2)
    sim.refused(*generated, "--skip-bad", says="--skip-bad has no effect", code=2)
    sim.refused(*generated, "--prefixes", 3, says="--prefixes has no effect", code=2)
    sim.refused(*generated, "--block-tokens", 64, says="--block-tokens has no effect", code=2)
    sim.refused("sim", "--config", sim.fleet, "--trace", sim.folder, says="is a folder")
    sim.refused("sim", "--config", sim.fleet, "--arrivals", "poisson:cv=1", says="--arrivals", code=2)
    sim.refused("sim", "--config", sim.fleet, "--trace", sim.trace("azure"), "--block-tokens", 64,
                 says="--block-tokens has no effect", code=2)
    sim.refused("sim", "--config", sim.fleet, "--trace", sim.write("plain.trace", '{"timestamp": 0, "input_length": 5, '
                '"output_length": 5}\n'), "--block-tokens", 64, says="--block-tokens has no effect", code=2)
    sim.refused(*traced, "--config", sim.write("f.yaml", FLEET.replace("overlap: layer", "aging_us: 5")), says="aging_us")
    sim.refused(*generated, "--count", 10, "--prompt", "normal:mean=3", says="--prompt", code=2)
    sim.refused("sim", "--config", sim.fleet, "--trace", sim.folder / "gone", says="gone")
    sim.refused(*run, "--requests", sim.folder / "no" / "table.csv", says="table.csv")
    other = sim.write("other.trace", '{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 5, "model": "large"}\n')
    sim.refused("sim", "--config", sim.fleet, "--trace", other, says='"large"')
    sim.refused(*traced, "--config", sim.write("a.yaml", FLEET.replace("overlap: layer", "overlap: some")),
                 says="a.yaml:10: models[0].scheduling.overlap")
    sim.refused(*traced, "--config", sim.write("b.yaml", FLEET.replace("workers: 2", "wokers: 2")), says="wokers")
    sim.refused(*traced, "--config", sim.write("c.yaml", FLEET.replace("llama-3.1-8b", "llama-3.1-70b").replace(
        "max_running: 16}", "wafers_per_unit: 1}", 1)), says="does not fit")
    sim.refused(*traced, "--config", sim.write("d.yaml", FLEET + "faults: [{at_s: 1, fault: unit_lost, index: 7}]\n"),
                 says="fault 0")
    sim.refused(*traced, "--config", sim.write("g.yaml", FLEET + "faults: [{at_s: 2, fault: unit_lost}, "
                                              "{at_s: 1, fault: wafer, place: 9}]\n"), says="fault 1: place is 9")
    sim.refused("sim", "--config", sim.write("e.yaml", FLEET.replace("block_tokens: 512", "block_tokens: 256")), "--trace",
                 sim.trace("mooncake"), says="block_tokens is 256")


def test_a_servers_configuration_runs_for_each_of_its_models(sim):
    config = pathlib.Path(__file__).parents[2] / "deploy/config/demo.yaml"
    load = ["--arrivals", "poisson:rate=5", "--count", 50, "--prompt", "constant:300", "--output", "constant:50"]
    for model in ("waferline-demo", "llama-3.1-8b", "llama-3.1-70b"):
        result = waferctl("sim", "--config", config, "--model", model, *load, "--json")
        assert result.returncode == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["requests"]["completed"] == 50
        used = {device["model"] for device in report["devices"] if device.get("tokens", 0) > 0}
        assert used == {model}
        assert "clock" in report["receipt"]["not_simulated"]
        assert f"requests that name none are for {model}" in result.stderr
    sim.refused("sim", "--config", config, "--model", "gone", *load, says='"gone" must be one of the fleet\'s: waferline-demo')


def test_a_sweep_marks_its_front_and_draws_it(sim):
    picture = sim.folder / "front.svg"
    page = sim.folder / "sweep.html"
    done = waferctl("sim", "sweep", "--config", sim.fleet, "--trace", sim.trace("jsonl"), "--vary", "models.0.prefill.workers=1,2,0",
                    "--vary", "models.0.decode.0.max_running=4,16", "--svg", picture, "--html", page, "--threads", 2, "--json")
    assert done.returncode == 1 and "2 of 6 variants could not be run" in done.stderr, done.stderr
    sweep = json.loads(done.stdout)
    text = page.read_text()
    assert text.count("<svg") == 3 and "4 of 6 variants could be run" in text and "What models.0.prefill.workers does" in text
    good = [run for run in sweep["runs"] if "report" in run]
    bad = [run for run in sweep["runs"] if "error" in run]
    assert (len(good), len(bad)) == (4, 2)
    assert "workers" in bad[0]["error"]
    x = [run["report"]["usd_per_million_output_tokens"] for run in good]
    y = [run["report"]["ttft_ms"]["p99"] for run in good]
    for i, run in enumerate(good):
        beaten = any(x[j] <= x[i] and y[j] <= y[i] and (x[j] < x[i] or y[j] < y[i]) for j in range(len(good)))
        assert run["pareto"] == (not beaten)
    drawing = xml.etree.ElementTree.parse(picture).getroot()
    assert sum(element.tag.endswith("circle") for element in drawing.iter()) == 4
    one = sim.report("--trace", sim.folder / "jsonl.trace", command=("sim",))
    assert one["receipt"]["digest"] in [run["report"]["receipt"]["digest"] for run in good]
    sweep_words = ["sim", "sweep", "--config", sim.fleet, "--trace", sim.folder / "jsonl.trace"]
    sim.refused(*sweep_words, says="--vary", code=2)
    sim.refused(*sweep_words, "--vary", "workers", says="PATH=VALUE", code=2)
    sim.refused(*sweep_words, "--vary", "models.0.name=a", "--vary", "models.0.name=b", says="is given twice", code=2)
    sim.refused(*sweep_words, "--vary", "models.0.prefill.workers=2,1,2", says="gives 2 twice", code=2)
    sim.refused(*sweep_words, "--vary", "models.3.name=a", says="out of range [0, ")
    ranged = waferctl(*sweep_words, "--vary", "models.0.prefill.workers=1:2")
    assert ranged.returncode == 0 and ranged.stdout.count("models.0.prefill.workers=") == 2, ranged.stderr
    sim.refused(*sweep_words, "--vary", "models.0.prefill.workers=1", "--x", "ttft", says='--x: a report has no number "ttft"', code=2)
    # Before anything is read: there is no such trace.
    unread = ["sim", "sweep", "--config", sim.fleet, "--trace", sim.folder / "gone", "--vary", "models.0.prefill.workers=1"]
    sim.refused(*unread, "--x", "ttft", says='--x: a report has no number "ttft"', code=2)
    sim.refused(*unread, "--y", "goodput.share", says='--y: a report has no number "goodput.share"', code=2)
    sim.refused(*unread, "--y", "goodput.share", "--goodput", "ttft:100", says="gone")


def test_a_run_without_an_output_token_has_no_price_of_one(sim):
    lost = sim.write("lost.yaml", FLEET + "faults: [{at_s: 0, fault: worker_lost, index: 0}, {at_s: 0, fault: worker_lost, index: 1}]\n")
    words = ["--arrivals", "constant:rate=10", "--count", 5]
    done = waferctl("sim", "--config", lost, *words)
    assert done.returncode == 0, done.stderr
    assert "no output token to share it" in done.stdout and "a million" not in done.stdout
    report = json.loads(waferctl("sim", "--config", lost, *words, "--json").stdout)
    assert report["output_tokens"] == 0 and report["cost_usd"] > 0
    assert "usd_per_million_output_tokens" not in report and "joules_per_output_token" not in report
    assert "usd_per_million_output_tokens" not in report["compute"]
    swept = waferctl("sim", "sweep", "--config", lost, *words, "--vary", "models.0.decode.0.max_running=4,16")
    assert swept.returncode == 1 and "no variant could be run" in swept.stderr
    assert swept.stderr.count('a report has no number "usd_per_million_output_tokens"') == 2


def test_parts_of_a_sweep_are_merged_into_the_bytes_of_one_run(sim):
    words = ["sim", "sweep", "--config", sim.fleet, "--trace", sim.trace("jsonl"), "--json", "--vary", "models.0.prefill.workers=1,2,0,3",
             "--vary", "models.0.decode.0.max_running=4,16"]
    whole = waferctl(*words)
    assert whole.returncode == 1 and "2 of 8 variants could not be run" in whole.stderr, whole.stderr
    parts = [sim.folder / f"part-{i}.json" for i in range(3)]
    for i, part in enumerate(parts):
        done = waferctl(*words, "--part", f"{i}/3", part)
        assert done.returncode == 0 and ("variants of this part could not be run" in done.stderr) == (i != 0), done.stderr
    merged = waferctl("sim", "merge", *reversed(parts), "--json")
    assert merged.stdout == whole.stdout and "pareto" in merged.stdout
    assert merged.returncode == 1 and "2 of 8 variants could not be run" in merged.stderr
    table = waferctl("sim", "merge", *parts, "--x", "-requests.completed")
    assert "-requests.completed" not in table.stdout and "requests.completed" in table.stdout

    # A sweep that was interrupted goes on where it was: only what is missing is run.
    journal = sim.folder / "journal"
    assert waferctl(*words, "--part", "0/2", "--resume", journal).returncode == 0
    resumed = waferctl(*words, "--resume", journal)
    assert "4 runs are known" in resumed.stderr and resumed.stdout == whole.stdout

    # What a kill leaves: some lines, and the last one cut short.
    bytes_kept = journal.read_bytes()
    journal.write_bytes(bytes_kept[:len(bytes_kept) // 2])
    cut = waferctl(*words, "--resume", journal)
    assert cut.stdout == whole.stdout and " runs are known" in cut.stderr

    sim.refused("sim", "merge", says="FILE... is missing", code=2)
    sim.refused("sim", "merge", *parts[:2], says="part 2/3 is missing", code=1)
    sim.refused("sim", "merge", *parts, parts[0], says="are both part 0", code=1)
    sim.refused("sim", "merge", sim.fleet, says="not a part of 'waferctl sim sweep --part --json'", code=1)
    other = sim.folder / "other.json"
    assert waferctl(*words, "--seed", 9, "--part", "2/3", other).returncode == 0
    sim.refused("sim", "merge", *parts[:2], other, says="is a part of another sweep", code=1)
    sim.refused(*words[:-2], "--vary", "models.0.link.latency_us=5", "--resume", journal, says="belongs to another search: vary")
    sim.refused(*words, "--part", "3/3", says="I in [0, N)", code=2)
    sim.refused(*[word for word in words if word != "--json"], "--part", "0/3", says="give --json", code=2)


def test_compare_says_what_differs(sim):
    trace = sim.trace("jsonl")
    paths = [sim.folder / f"{name}.json" for name in "abc"]
    for path, more in zip(paths, ([], [], ["--speed-up", 2])):
        assert waferctl("sim", "--config", sim.fleet, "--trace", trace, *more, "--json", path).returncode == 0
    same = waferctl("sim", "compare", paths[0], paths[1])
    assert (same.returncode, same.stdout) == (0, "the same\n"), same.stderr
    assert "ttft_ms.mean" in waferctl("sim", "compare", paths[0], paths[2]).stdout
    other = json.loads(waferctl("sim", "compare", paths[0], paths[2], "--json").stdout)
    fields = {difference["field"]: difference for difference in other["differences"]}
    assert not other["same"]
    assert "receipt.digest" in fields
    assert fields["emulated_seconds"]["relative"] < -0.2
    sim.refused("sim", "compare", paths[0], sim.fleet, says="fleet.yaml")


@pytest.mark.parametrize("seed", (1, 2))
def test_the_laws_hold_for_any_seed(seed):
    result = waferctl("selftest", "laws", "--seed", seed, "--json")
    assert result.returncode == 0, result.stdout
    laws = json.loads(result.stdout)
    assert laws["broken"] == 0
    names = " ".join(law["law"] for law in laws["laws"])
    for law in ("conservation", "Little", "M/D/1", "M/D/4", "monotonicity", "overload", "determinism"):
        assert law in names
