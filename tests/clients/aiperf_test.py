"""aiperf, NVIDIA's load harness, against a running waferd, with the tokenizer that waferctl exports and nothing else."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

URL, MODEL = os.environ["WAFERLINE_URL"], os.environ["WAFERLINE_MODEL"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.executable).parent
WAFERCTL = pathlib.Path(os.environ["WAFERLINE_BIN_DIR"]) / "waferctl"


@pytest.fixture(name="tokenizer", scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    subprocess.run([WAFERCTL, "model", "export-hf", ROOT / "deploy/models/demo.gguf", folder], check=True)
    return folder


def run(folder, program, *arguments):
    environment = dict(os.environ, HF_HOME=str(folder / "cache"),
                       OPENAI_API_KEY="none", NO_COLOR="1", COLUMNS="200")
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True, timeout=200,
                          check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_aiperf(tmp_path, tokenizer):
    run(tmp_path, "aiperf", "profile", "--model", MODEL, "--url", URL, "--endpoint-type", "chat", "--streaming", "--tokenizer", tokenizer,
        "--concurrency", 2, "--request-count", 12, "--isl", 64, "--osl", 16, "--artifact-dir", tmp_path / "out", "--ui-type", "none")
    [report] = (tmp_path / "out").rglob("profile_export_aiperf.json")
    figures = json.loads(report.read_text())
    assert figures["request_count"]["avg"] == 12 and not figures.get("error_summary")
