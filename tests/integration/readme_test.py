"""Every command that the README's first screen shows, run as it is written."""

import re
import shlex
import subprocess

import pytest

from cloud import BIN, ROOT, Waferd

FIRST_SCREEN = (ROOT / "README.md").read_text().split("## Run it")[0]
COMMANDS = re.findall(r"\| `(build/bin/[^`]+)` \|", FIRST_SCREEN)


@pytest.fixture(name="server", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


def test_there_is_a_command_for_each_of_the_four():
    assert len(COMMANDS) == 4
    assert (ROOT / "docs/page.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_it_says(server, command):
    words = shlex.split(command)
    words[0] = str(BIN / words[0].removeprefix("build/bin/"))
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=ROOT, env={"PATH": "/usr/bin:/bin", "WAFERLINE_SERVER": server.http})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
