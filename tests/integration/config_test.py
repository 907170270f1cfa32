"""What waferd says of a configuration without serving it: every fault at once, where each value came from, what a field is."""

import re
import subprocess

import pytest

from cloud import BIN, ROOT

DEMO = (ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models"))


def waferd(*words, env=None):
    return subprocess.run([str(BIN / "waferd"), *map(str, words)], capture_output=True, text=True, timeout=60, cwd=ROOT, env=env)


def check(folder, text, *words, env=None):
    path = folder / "server.yaml"
    path.write_text(text)
    return waferd("--check-config", "--config", path, *words, env=env)


def line_of(text, part):
    return text[:text.index(part)].count("\n") + 1


def test_the_reference_is_what_the_readers_ask():
    done = waferd("--explain", "all")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs/configuration.md").read_text(), "build/bin/waferd --explain all > docs/configuration.md"
    assert not re.search(r"\|\s+\|$", done.stdout, re.M), "a field without a word of what it does"


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_here_are_right(path):
    done = waferd("--check-config", "--config", path)
    assert done.returncode == 0, done.stderr
    assert ": ok, serves " in done.stdout


# What is replaced in the demo's file, by what, and the field and words that must be named on that line.
BROKEN = [
    ("http_port: 8080", "http_port: 80800", "listen.http_port", "[0, 65535]"),
    ("http_port: 8080", "http_prot: 8080", "listen.http_prot", "did you mean"),
    ("kind: real", "kind: rael", "clock.kind", "stepped"),
    ("scale: 1}", "scale: fast}", "clock.scale", "number"),
    ("scale: 1}", "arrival_grace_us: 5000}", "clock.arrival_grace_us", "not known"),
    ("clip_max_tokens: true", "clip_max_tokens: maybe", "clip_max_tokens", "true or false"),
    ("clip_max_tokens: true", "engine_api: {vllm: true}", "engine_api", "there are several"),
    ("clip_max_tokens: true", "engine_api: {vllm: true, model: other}", "engine_api", '"other" is not among the models'),
    ("shape: llama-3.1-70b", "shape: llama-3.1-700b", "models[2].shape", "llama-3.1-70b"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: h1000}", "models[2].prefill.hardware", "h100"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: wse-3}", "models[2].prefill.hardware", "wafer"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {workers: 2}", "models[2].prefill.hardware", "missing"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: h100, workers: 0}", "models[2].prefill.workers", "[1, 1024]"),
    ("bytes_per_second: 2.0e+11", "bytes_per_second: -1", "models[2].link.bytes_per_second", "[1000, 1e+15]"),
    ("file: ../models/demo.gguf, shards: 2".replace("../models", str(ROOT / "deploy/models")), "file: none.gguf, shards: 2", "models[0].tokens.file", "none.gguf"),
    ("shards: 2, speculation", "shards: 99, speculation", "models[0].tokens.shards", "[1, "),
    ("speculation: draft, draft_file", "speculation: guess, draft_file", "models[0].tokens.speculation", "lookup"),
    ("name: llama-3.1-70b", "name: llama-3.1-8b", "models[2].name", "another model"),
]


@pytest.mark.parametrize("old, new, field, words", BROKEN, ids=lambda text: str(text)[:32])
def test_a_fault_is_named_with_its_line_and_field(tmp_path, old, new, field, words):
    assert old in DEMO
    text = DEMO.replace(old, new, 1)
    done = check(tmp_path, text)
    assert done.returncode == 1
    faults = [line for line in done.stderr.splitlines() if f"{field}: " in line]
    assert len(faults) == 1 and words in faults[0], done.stderr
    assert f"server.yaml:{line_of(DEMO, old)}: " in faults[0], done.stderr


def test_all_faults_of_a_kind_come_at_once(tmp_path):
    fields = DEMO.replace("http_port: 8080", "http_port: 80800").replace("scale: 1}", "scale: fast}").replace("workers: 2}", "workers: 0}")
    done = check(tmp_path, fields)
    assert done.returncode == 1 and done.stderr.count("server.yaml:") == 4, done.stderr
    files = DEMO.replace("shape: llama-3.1-70b", "shape: nothing").replace("hardware: wse-3, profile: vendor-2024}", "hardware: wse-3, profile: unheard}")
    files = files.replace("draft.gguf", "lost.gguf")
    done = check(tmp_path, files)
    assert done.returncode == 1 and done.stderr.count("server.yaml:") >= 4, done.stderr


def test_a_model_that_does_not_fit_its_wafers_is_refused_with_the_arithmetic(tmp_path):
    text = DEMO.replace("decode: [{name: wafer, hardware: wse-3, profile: vendor-2024}]\n    link: {bytes_per_second: 2.0e+11", "decode: [{name: wafer, hardware: wse-3, profile: vendor-2024, wafers_per_unit: 1}]\n    link: {bytes_per_second: 2.0e+11")
    assert text != DEMO
    done = check(tmp_path, text)
    assert done.returncode == 1
    assert f"server.yaml:{line_of(text, 'wafers_per_unit: 1')}: models[2].decode[0]" in done.stderr, done.stderr


def test_overrides_reach_the_file_and_say_where_they_came_from(tmp_path):
    path = tmp_path / "server.yaml"
    path.write_text(DEMO)
    env = {"PATH": "/usr/bin:/bin", "WAFERLINE_SET_LISTEN__HTTP_PORT": "8099", "WAFERLINE_SET_MODELS__0__PREFILL__WORKERS": "5"}
    done = waferd("--print-config", "--config", path, "--set", "models.0.prefill.workers=3", "--set", "limits.drain_us=5000", env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "listen.http_port: 8099  # environment" in lines
    assert "models[0].prefill.workers: 3  # --set" in lines
    assert "limits.drain_us: 5000  # --set" in lines
    assert "clock.spin_us: 60  # default" in lines
    assert f"models[0].shape: llama-3.1-8b  # {path}" in lines
    done = waferd("--check-config", "--config", path, "--set", "models.0.prefill.wrokers=3")
    assert done.returncode == 1 and "did you mean 'workers'" in done.stderr.replace('"', "'"), done.stderr
    done = waferd("--check-config", "--config", path, "--set", "nothing")
    assert done.returncode == 2 and "PATH=VALUE" in done.stderr


def test_a_field_is_explained_and_a_wrong_name_corrected():
    done = waferd("--explain", "models.0.prefill.workers")
    assert done.returncode == 0 and "whole number" in done.stdout and "[1, 1024]" in done.stdout and "default 1" in done.stdout
    done = waferd("--explain", "prefill.wrkers")
    assert done.returncode == 1 and "there is no field" in done.stderr


def test_what_loading_a_model_would_refuse_is_found_and_a_fault_of_set_has_no_line(tmp_path):
    path = tmp_path / "server.yaml"
    path.write_text(DEMO)
    done = waferd("--check-config", "--config", path, "--set", "models.0.tokens.tool_format=nope", "--set", "models.0.tokens.experts.over=4")
    assert done.returncode == 1
    assert f"{path}: models[0].tokens.tool_format: there is no tool format 'nope'" in done.stderr
    assert f"{path}: models[0].tokens.experts.over: is 4, must lie in [1, 1]" in done.stderr


def test_a_split_unit_is_checked_on_both_sides(tmp_path):
    old = "decode: [{name: wafer, hardware: wse-3, profile: vendor-2024}]\n    link: {bytes_per_second: 2.0e+11"
    split = "decode: [{name: split, kind: split, attention: {hardware: h200}, ffn: {hardware: wse-3, profile: vendor-2024}}]\n    link: {bytes_per_second: 2.0e+11"
    text = DEMO.replace(old, split)
    assert text != DEMO
    done = check(tmp_path, text)
    assert done.returncode == 0, done.stderr
    done = check(tmp_path, text.replace("attention: {hardware: h200}", "attention: {hardware: h2000}"))
    assert done.returncode == 1 and "decode[0].attention.hardware" in done.stderr, done.stderr
