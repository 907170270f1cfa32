"""waferctl sim, sim sweep, sim compare and selftest laws as processes: what they write, and what they refuse and how."""

import csv
import json
import pathlib
import random
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

from waferd import BIN, ROOT

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


class SimTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
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

    def ctl(self, *words):
        return subprocess.run([str(BIN / "waferctl"), *map(str, words)], capture_output=True, text=True, timeout=120, cwd=ROOT)

    def sim(self, *words, command=("sim",)):
        result = self.ctl(*command, "--config", self.fleet, *words, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def refused(self, *words, says, code=None):
        result = self.ctl(*words)
        self.assertNotEqual(result.returncode, 0, words)
        if code is not None:
            self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(says, result.stderr)
        self.assertEqual(result.stdout, "")

    def test_every_format_is_read_told_or_guessed(self):
        for form in FORMATS:
            with self.subTest(form=form):
                trace = self.trace(form)
                guessed = self.sim("--trace", trace)
                told = self.sim("--trace", trace, "--format", form)
                self.assertEqual(guessed["receipt"], told["receipt"])
                self.assertEqual(guessed["requests"]["offered"], 150)
                self.assertEqual(guessed["requests"]["completed"], 150)
                for part in ("ttft_ms", "inter_token_ms", "tpot_ms", "e2e_ms"):
                    self.assertLessEqual(guessed[part]["p50"], guessed[part]["p99"])
                    self.assertGreater(guessed[part]["mean"], 0)
        self.assertGreater(self.sim("--trace", self.folder / "mooncake.trace")["prefix_cache"]["hit_share"], 0)

    def test_bad_lines_are_named_or_left_out_and_counted(self):
        for form, (_, header) in FORMATS.items():
            with self.subTest(form=form):
                trace = self.trace(form, spoil=(4, 90))
                first = 4 + len(header)
                self.refused("sim", "--config", self.fleet, "--trace", trace, "--format", form, says=f"line {first}:")
                result = self.ctl("sim", "--config", self.fleet, "--trace", trace, "--format", form, "--skip-bad", "--json")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(f"left out: line {first}:", result.stderr)
                report = json.loads(result.stdout)
                self.assertEqual((report["requests"]["offered"], report["skipped_lines"]), (148, 2))

    def test_a_row_for_each_request_whose_parts_add_up(self):
        table = self.folder / "requests.csv"
        report = self.sim("--trace", self.trace("jsonl"), "--requests", table)
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sorted(int(row["request"]) for row in rows), list(range(1, 151)))
        self.assertEqual({row["tenant"] for row in rows}, {"a", "b"})
        for row in rows:
            parts = sum(float(row[f"{part}_ms"]) for part in ("queue", "prefill", "transfer", "decode"))
            self.assertAlmostEqual(parts, float(row["e2e_ms"]), places=5)
        mean = sum(float(row["ttft_ms"]) for row in rows) / len(rows)
        self.assertAlmostEqual(report["ttft_ms"]["mean"], mean, places=4)

    def test_the_timeline_is_what_perfetto_reads(self):
        path = self.folder / "timeline.json"
        self.sim("--trace", self.trace("mooncake"), "--timeline", path)
        events = json.loads(path.read_text())["traceEvents"]
        open_spans = 0
        for event in events:
            self.assertIn("pid", event)
            if event["ph"] != "M":
                self.assertGreaterEqual(event["ts"], 0)
            if event["ph"] == "X":
                self.assertGreater(event["dur"], 0)
            open_spans += {"b": 1, "e": -1}.get(event["ph"], 0)
        self.assertEqual(open_spans, 0)
        self.assertGreater(sum(event["ph"] == "b" for event in events), 150)

    def test_reports_go_where_they_are_sent_and_repeat(self):
        out = self.folder / "report.json"
        trace = self.trace("jsonl")
        result = self.ctl("sim", "--config", self.fleet, "--trace", trace, "--json", out)
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)
        report = json.loads(out.read_text())
        self.assertEqual(report["receipt"], self.sim("--trace", trace)["receipt"])
        for name in ("config_hash", "trace_hash", "digest", "seed", "version"):
            self.assertIn(name, report["receipt"])
        self.assertGreater(report["run"]["peak_memory_bytes"], 1e6)
        self.assertGreater(report["run"]["simulation_seconds"], 0)
        self.assertGreater(report["energy_kwh"], 0)
        people = self.ctl("sim", "--config", self.fleet, "--trace", trace)
        self.assertIn(report["receipt"]["digest"], people.stdout)
        fast = self.sim("--trace", trace, "--speed-up", 4)
        self.assertLess(fast["emulated_seconds"], report["emulated_seconds"])
        self.assertEqual(self.sim("--trace", trace, "--repeat", 3)["requests"]["offered"], 450)

    def test_generated_arrivals_of_every_kind(self):
        digests = set()
        for arrivals in ("constant:rate=30", "poisson:rate=30", "gamma:rate=30,cv=3", "weibull:rate=30,shape=0.6",
                         "diurnal:rate=30,swing=0.8,period=20"):
            words = ["--arrivals", arrivals, "--count", 300, "--prompt", "lognormal:mean=500,sigma=1,max=4000", "--output",
                     "exponential:mean=50,max=300", "--prefix-share", 0.5, "--prefixes", 2, "--prefix-tokens", 1024]
            report = self.sim(*words, "--seed", 5)
            self.assertEqual(report["requests"]["offered"], 300)
            self.assertAlmostEqual(report["emulated_seconds"], 10, delta=6)
            self.assertEqual(report["receipt"]["digest"], self.sim(*words, "--seed", 5)["receipt"]["digest"])
            digests |= {report["receipt"]["digest"], self.sim(*words, "--seed", 6)["receipt"]["digest"]}
        self.assertEqual(len(digests), 10)

    def test_tiers_objectives_and_faults_show_in_the_report(self):
        calm = self.sim("--trace", self.trace("jsonl"), "--goodput", "ttft:60,tpot:5")
        tokens = {device["name"]: device.get("tokens", 0) for device in calm["devices"]}
        self.assertGreater(tokens["small/gpu-0"], 0)  # flex
        self.assertGreater(tokens["small/wafer-0"], 0)
        self.assertTrue(0 < calm["goodput"]["share"] < 1)
        self.fleet = self.write("faulty.yaml", FLEET + "faults:\n"
                                "  - {at_s: 2, fault: unit_lost, index: 0}\n  - {at_s: 3, fault: unit_back, index: 0}\n"
                                "  - {at_s: 4, fault: worker_lost, index: 1}\n  - {at_s: 5, fault: link_speed, index: 0, factor: 0}\n"
                                "  - {at_s: 5.5, fault: link_speed, index: 0, factor: 1}\n")
        faulty = self.sim("--trace", self.trace("jsonl"))
        self.assertGreater(faulty["requests"]["restarted"]["unit_lost"], 0)
        self.assertGreater(faulty["requests"]["restarted"]["lease_expired"], 0)
        done = faulty["requests"]
        self.assertEqual(done["completed"] + sum(done["refused"].values()), 150)
        self.assertGreater(faulty["e2e_ms"]["mean"], calm["e2e_ms"]["mean"])

    def test_what_has_no_effect_or_cannot_be_is_refused_by_name(self):
        trace = self.trace("jsonl")
        run = ["sim", "--config", self.fleet, "--trace", trace]
        generated = ["sim", "--config", self.fleet, "--arrivals", "poisson:rate=1"]
        self.refused("sim", "--trace", trace, says="--config", code=2)
        self.refused("sim", "--config", self.fleet, says="--trace", code=2)
        self.refused(*run, "--arrivals", "poisson:rate=1", says="either --trace", code=2)
        self.refused(*run, "--count", 5, says="--count has no effect", code=2)
        self.refused(*run, "--format", "csv", says="mooncake, azure or jsonl", code=2)
        self.refused(*run, "--goodput", "speed:1", says="speed", code=2)
        self.refused(*run, "--goodput", "ttft:1,ttft:2", says="ttft stands twice", code=2)
        self.refused(*run, "--speed-up", 1e-6, "--repeat", 1000, says="emulated time")
        self.refused(*run, "out.json", says="--json", code=2)
        self.refused(*generated, "--format", "azure", says="--format has no effect", code=2)
        self.refused(*generated, "--skip-bad", says="--skip-bad has no effect", code=2)
        self.refused(*generated, "--prefixes", 3, says="--prefixes has no effect", code=2)
        self.refused(*generated, "--block-tokens", 64, says="--block-tokens has no effect", code=2)
        self.refused("sim", "--config", self.fleet, "--trace", self.folder, says="is a folder")
        self.refused("sim", "--config", self.fleet, "--arrivals", "poisson:cv=1", says="--arrivals", code=2)
        self.refused("sim", "--config", self.fleet, "--trace", self.trace("azure"), "--block-tokens", 64,
                     says="--block-tokens has no effect", code=2)
        self.refused(*run, "--config", self.write("f.yaml", FLEET.replace("overlap: layer", "aging_us: 5")), says="aging_us")
        self.refused(*generated, "--count", 10, "--prompt", "normal:mean=3", says="--prompt", code=2)
        self.refused("sim", "--config", self.fleet, "--trace", self.folder / "gone", says="gone")
        self.refused(*run, "--requests", self.folder / "no" / "table.csv", says="table.csv")
        other = self.write("other.trace", '{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 5, "model": "large"}\n')
        self.refused("sim", "--config", self.fleet, "--trace", other, says='"large"')
        self.refused(*run, "--config", self.write("a.yaml", FLEET.replace("overlap: layer", "overlap: some")),
                     says="a.yaml:10: models[0].scheduling.overlap")
        self.refused(*run, "--config", self.write("b.yaml", FLEET.replace("workers: 2", "wokers: 2")), says="wokers")
        self.refused(*run, "--config", self.write("c.yaml", FLEET.replace("llama-3.1-8b", "llama-3.1-70b").replace(
            "max_running: 16}", "wafers_per_unit: 1}", 1)), says="does not fit")
        self.refused(*run, "--config", self.write("d.yaml", FLEET + "faults: [{at_s: 1, fault: unit_lost, index: 7}]\n"),
                     says="fault 0")
        self.refused(*run, "--config", self.write("g.yaml", FLEET + "faults: [{at_s: 2, fault: unit_lost}, "
                                                  "{at_s: 1, fault: wafer, place: 9}]\n"), says="fault 1: place is 9")
        self.refused("sim", "--config", self.write("e.yaml", FLEET.replace("block_tokens: 512", "block_tokens: 256")), "--trace",
                     self.trace("mooncake"), says="block_tokens is 256")

    def test_a_sweep_marks_its_front_and_draws_it(self):
        picture = self.folder / "front.svg"
        sweep = self.sim("--trace", self.trace("jsonl"), "--vary", "models.0.prefill.workers=1,2,0", "--vary",
                         "models.0.decode.0.max_running=4,16", "--svg", picture, "--threads", 2, command=("sim", "sweep"))
        good = [run for run in sweep["runs"] if "report" in run]
        bad = [run for run in sweep["runs"] if "error" in run]
        self.assertEqual((len(good), len(bad)), (4, 2))
        self.assertIn("workers", bad[0]["error"])
        x = [run["report"]["usd_per_million_output_tokens"] for run in good]
        y = [run["report"]["ttft_ms"]["p99"] for run in good]
        for i, run in enumerate(good):
            beaten = any(x[j] <= x[i] and y[j] <= y[i] and (x[j] < x[i] or y[j] < y[i]) for j in range(len(good)))
            self.assertEqual(run["pareto"], not beaten)
        drawing = xml.etree.ElementTree.parse(picture).getroot()
        self.assertEqual(sum(element.tag.endswith("circle") for element in drawing.iter()), 4)
        one = self.sim("--trace", self.folder / "jsonl.trace", command=("sim",))
        self.assertIn(one["receipt"]["digest"], [run["report"]["receipt"]["digest"] for run in good])
        sweep_words = ["sim", "sweep", "--config", self.fleet, "--trace", self.folder / "jsonl.trace"]
        self.refused(*sweep_words, says="--vary", code=2)
        self.refused(*sweep_words, "--vary", "workers", says="PATH=VALUE", code=2)
        self.refused(*sweep_words, "--vary", "models.0.name=a", "--vary", "models.0.name=b", says="stands twice", code=2)
        self.refused(*sweep_words, "--vary", "models.3.name=a", says="no index of a list")
        self.refused(*sweep_words, "--vary", "models.0.prefill.workers=1", "--x", "ttft", says='no number "ttft"', code=2)

    def test_compare_says_what_differs(self):
        trace = self.trace("jsonl")
        paths = [self.folder / f"{name}.json" for name in "abc"]
        for path, more in zip(paths, ([], [], ["--speed-up", 2])):
            self.assertEqual(self.ctl("sim", "--config", self.fleet, "--trace", trace, *more, "--json", path).returncode, 0)
        same = self.ctl("sim", "compare", paths[0], paths[1])
        self.assertEqual((same.returncode, same.stdout), (0, "the same\n"), same.stderr)
        self.assertIn("ttft_ms.mean", self.ctl("sim", "compare", paths[0], paths[2]).stdout)
        other = json.loads(self.ctl("sim", "compare", paths[0], paths[2], "--json").stdout)
        fields = {difference["field"]: difference for difference in other["differences"]}
        self.assertFalse(other["same"])
        self.assertIn("receipt.digest", fields)
        self.assertLess(fields["emulated_seconds"]["relative"], -0.3)
        self.refused("sim", "compare", paths[0], self.fleet, says="fleet.yaml")

    def test_the_laws_hold_for_any_seed(self):
        for seed in (1, 2):
            result = self.ctl("selftest", "laws", "--seed", seed, "--json")
            self.assertEqual(result.returncode, 0, result.stdout)
            laws = json.loads(result.stdout)
            self.assertEqual(laws["broken"], 0)
            names = " ".join(law["law"] for law in laws["laws"])
            for law in ("conservation", "Little", "M/D/1", "M/D/4", "monotonicity", "overload", "determinism"):
                self.assertIn(law, names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
