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


README = (ROOT / "README.md").read_text()


def commands_of_the_readme():
    """For each command that it shows what it may be: `sweep` after `waferctl bench run` is bench sweep, `chat` after `waferctl complete` is chat."""
    found = []
    for first, others in re.findall(r"`(?:build/bin/)?waferctl ([a-z][^`]*)`((?:,? (?:and )?`[^`]+`)*)", README):
        words = re.match(r"[a-z][a-z -]*[a-z]", first)[0].split(" --")[0].strip().split()
        found.append([" ".join(words)])
        found += [[other, " ".join([*words[:-1], other])] for other in re.findall(r"`([a-z][a-z -]*)`", others)]
    return found


def test_every_command_of_waferctl_that_it_shows_is_one():
    listed = subprocess.run([BIN / "waferctl", "--help"], capture_output=True, text=True, timeout=20).stdout
    known = set(re.findall(r"^  ([a-z][a-z -]*[a-z])  ", listed, re.M)) | set(re.findall(r"^  ([a-z][a-z-]+(?: [a-z-]+)?)\s{2,}", listed, re.M))
    assert len(known) > 40, known
    shown = commands_of_the_readme()
    groups = {name.split()[0] for name in known}
    assert len(shown) > 30
    for readings in shown:
        begins = [" ".join(words.split()[:n]) for words in readings for n in (1, 2, 3)]
        assert any(begin in known for begin in begins) or readings[0] in groups, readings


def test_its_targets_of_make_and_flags_of_waferd_are_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^[\w -]*\b{target}\b[\w -]*:", makefile, re.M), target
    known = subprocess.run([BIN / "waferd", "--help"], capture_output=True, text=True, timeout=20).stdout
    for flag in re.findall(r"`(--(?:check-config|print-config|set|explain|state-dir|shape|shards|context|role|log))\b", README):
        assert flag in known, flag
