"""The tutorials of docs/tutorials, each block run as it is written, in one folder and in order."""

import os
import re
import subprocess

import pytest

from cloud import BIN, ROOT, Waferd

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))


@pytest.fixture(name="server", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_every_block_works(tutorial, server, tmp_path):
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", tutorial.read_text(), re.M | re.S)
    assert len(blocks) >= 4
    env = {**os.environ, "PATH": f"{BIN.resolve()}:{os.environ['PATH']}", "WAFERLINE_SERVER": server.http}
    for language, text in blocks:
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else ["python3", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        if "late.json" in text:
            assert done.stdout.startswith("504"), done.stdout


def test_what_the_tutorials_say_of_their_answers(server, tmp_path):
    """The digests of the repeated run are one; the slow answer takes three times the emulated time."""
    env = {**os.environ, "PATH": f"{BIN.resolve()}:{os.environ['PATH']}", "WAFERLINE_SERVER": server.http}
    run = "waferctl sim --config deploy/config/fleets/bad-day.yaml --arrivals poisson:rate=2 --count 100 --seed 7"
    digests = [re.search(r"digest (\w+)", subprocess.run(run.split(), cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout)[1]
               for _ in range(2)]
    assert digests[0] == digests[1]


def test_the_site_has_every_page():
    listed = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    assert listed == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
