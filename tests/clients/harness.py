"""What tests of harnesses share: a program of the harness run as its users start it, with the tokenizer that waferctl exports."""

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
    """What the program printed; it must end well."""
    environment = dict(os.environ, HF_HOME=str(folder / "cache"),
                       OPENAI_API_KEY="none", NO_COLOR="1", COLUMNS="200")
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True, timeout=900,
                          check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr
