"""The reports as pages of HTML: one file each, which loads nothing from elsewhere and has the figures that the JSON has."""

import html
import json
import re

import pytest

from cloud import Waferd, waferctl


def check_page(path, *words):
    text = path.read_text()
    assert not re.search(r'(?:src|href)\s*=\s*"(?!#|data:)', text), "loads something"
    assert "<script" not in text and text.count("<svg") >= 2
    assert text.count("<main>") == 1 and "<th></th>" not in text
    for word in words:
        assert word in text, word
    return text


def test_a_load_run(tmp_path):
    with Waferd("deploy/config/demo.yaml") as server:
        path = tmp_path / "run.html"
        done = waferctl("bench", "run", "--server", server.http, "--model", "llama-3.1-8b", "--num-prompts", 20, "--concurrency", 4,
                        "--output-tokens", 16, "--html", path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    text = check_page(path, "Distributions", "Requests in flight", "llama-3.1-8b", f"{report['median_ttft_ms']:.3f}")
    assert text.count("<svg") == 5
    kept = json.loads(html.unescape(re.search(r"<pre[^>]*>(.*)</pre>", text, re.S)[1]))
    assert kept["median_ttft_ms"] == report["median_ttft_ms"] and kept["completed"] == 20


def test_a_sweep_over_concurrency_and_over_rates(tmp_path):
    path = tmp_path / "sweep.html"
    with Waferd("deploy/config/demo.yaml") as server:
        words = ["bench", "sweep", "--server", server.http, "--model", "llama-3.1-8b", "--num-prompts", 24, "--output-tokens", 16]
        done = waferctl(*words, "--concurrency", "1,2,8", "--html", path, "--json")
        assert done.returncode == 0, done.stderr
        sweep = json.loads(done.stdout)
        assert [level["max_concurrency"] for level in sweep["levels"]] == [1, 2, 8]
        assert all(level["completed"] == 24 for level in sweep["levels"])
        most = max(level["output_throughput"] for level in sweep["levels"])
        knee = next(level for level in sweep["levels"] if level["output_throughput"] >= 0.9 * most)
        assert sweep["knee"] == knee["max_concurrency"]
        check_page(path, "Throughput", "Time to the first token", "at once")
        rates = waferctl(*words, "--rates", "5,10", "--goodput", "ttft:100000")
        # A server that could do hundreds: no rate is lost to a short run's last answers or to the chance of arrivals.
        assert rates.returncode == 0 and "up to 10 a second are kept" in rates.stdout, (rates.stdout, rates.stderr)
        late = waferctl(*words, "--rates", "20", "--goodput", "ttft:0.001", "--html", path)
        assert "too few answers are within the goals" in late.stdout, (late.stdout, late.stderr)
        check_page(path, "Answers within the goals", "asked for")
        for flags, error in [([], "one of the two"), (["--rates", "4,2"], "is not a list"), (["--concurrency", "1.5"], "is not a list"),
                             (["--rates", "1", "--concurrency", "1"], "one of the two")]:
            wrong = waferctl(*words, *flags)
            assert wrong.returncode == 2 and error in wrong.stderr, wrong.stderr


def test_a_simulated_run(tmp_path):
    path = tmp_path / "sim.html"
    done = waferctl("sim", "--config", "deploy/config/demo.yaml", "--arrivals", "poisson:rate=20", "--count", 300, "--html", path)
    assert done.returncode == 0, done.stderr
    digest = re.search(r"digest (\w+)", done.stdout)[1]
    check_page(path, "llama-3.1-8b/wafer-0", "Time to the first token", digest)


def test_a_prediction(tmp_path):
    path = tmp_path / "predict.html"
    done = waferctl("wafer", "predict", "--model", "llama-3.1-8b", "--html", path, "--json")
    assert done.returncode == 0, done.stderr
    check_page(path, f"{json.loads(done.stdout)['tokens_per_second']:.5g}", "allreduces", "What moves one user")


@pytest.mark.parametrize("words", (("sim", "--config", "deploy/config/demo.yaml", "--arrivals", "poisson:rate=20", "--count", 3), ("wafer", "predict", "--model", "llama-3.1-8b")))
def test_a_file_that_cannot_be_written_is_named(words):
    done = waferctl(*words, "--html", "/nowhere/page.html")
    assert done.returncode != 0 and "/nowhere/page.html" in done.stderr


@pytest.mark.parametrize("path, error", [("/nowhere/page.html", "cannot be written: /nowhere"), ("/tmp", "is not a file that can be written"),
                                         ("50", "is a number; the name of a file to write is wanted")])
def test_a_page_that_cannot_be_written_is_refused_before_the_run(path, error):
    done = waferctl("sim", "--config", "deploy/config/demo.yaml", "--arrivals", "poisson:rate=20", "--count", 10, "--html", path)
    assert done.returncode == 2 and error in done.stderr, done.stderr
    assert done.stdout == ""
