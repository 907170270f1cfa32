"""Accelerators from the command line: predictions with intervals and published figures, and the fit of what they reach."""

import pytest

from cloud import waferctl, waferctl_json

MODEL = ("--model", "llama-3.1-70b")
MACHINES = ("h100", "h200", "b200", "gb200-nvl72", "mi355x", "tpu-v7", "trainium2", "trainium3", "groq-lpu-v1", "a100")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_accelerator_is_predicted_and_held_to_what_is_published(machine):
    found = waferctl_json("wafer", "predict", *MODEL, "--hardware", machine, "--weights", "int8", "--users", "4", "--json")
    assert found["hardware"] == machine and found["pipeline"] == (machine == "groq-lpu-v1")
    low, high = found["intervals"]["tokens_per_second"]
    assert low < found["tokens_per_second"] < high
    assert found["aggregate_tokens_per_second"] == pytest.approx(4 * found["tokens_per_second"])
    assert found["ttft_ms"] > 0 and found["joules_per_token"] > 0 and found["influences"]
    assert ("serving_tokens_per_second" in found) == (machine != "groq-lpu-v1")
    assert all(check["inside"] and check["source"] for check in found["checks"])
    assert found["checks"]
    text = waferctl("wafer", "predict", *MODEL, "--hardware", machine).stdout
    assert "time to first token" in text and "published figure" in text


def test_a_pipeline_takes_hundreds_of_chips_and_says_so():
    found = waferctl_json("wafer", "predict", *MODEL, "--hardware", "groq-lpu-v1", "--json")
    assert 600 < found["devices"] < 640
    assert "a pipeline of chips" in waferctl("wafer", "predict", *MODEL, "--hardware", "groq-lpu-v1").stdout


def test_the_fit_of_serving_leaves_each_figure_out():
    fit = waferctl_json("wafer", "calibrate-serving", "--json")
    assert fit["points"] == 47 and fit["fitted_constants"] * 3 <= fit["points"]
    assert fit["left_out_median_error_percent"] < 6 and fit["left_out_worst_error_percent"] < 13
    assert fit["held_out_points"] == 24 and fit["held_out_median_error_percent"] < 12
    assert {figure["fitted"] for figure in fit["figures"]} == {True, False}
    text = waferctl("wafer", "calibrate-serving").stdout
    assert "2 constants fitted to 47 figures" in text and "each figure left out of its fit" in text


@pytest.mark.parametrize("words, says", [
    (("predict", *MODEL, "--hardware", "h100", "--wafers", "2"), "--wafers has no effect on h100"),
    (("predict", *MODEL, "--hardware", "h100", "--accepted", "2"), "--accepted has no effect on h100"),
    (("predict", *MODEL, "--devices", "2"), "--devices has no effect on wse-3"),
    (("predict", *MODEL, "--hardware", "h100", "--devices", "1"), "h100: weights 141.1 GB"),
    (("predict", *MODEL, "--hardware", "h101"), "h101"),
    (("calibrate-serving", "--hardware", "h100,wse-3"), "wse-3 is a wafer"),
    (("calibrate-serving", "--hardware", "a100"), "2 constants need 6 figures marked fitted; there are 0")])
def test_what_makes_no_sense_is_refused(words, says):
    done = waferctl("wafer", *words)
    assert done.returncode != 0 and says in done.stderr, done.stderr
