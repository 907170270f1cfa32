"""run.sh keeps four processes: one that is killed is started again while the others live, whichever it is, and its end ends all."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error

import pytest

from cloud import BIN, ROOT, get, post

START_SECONDS = 60


def free_ports(count):
    with contextlib.ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in listening]


def own_tree(folder):
    """The script with its configuration in a tree of its own, on free ports; its path."""
    (folder / "deploy/config").mkdir(parents=True)
    (folder / "deploy/models").symlink_to(ROOT / "deploy/models")
    shutil.copytree(ROOT / "deploy/config/processes", folder / "deploy/config/processes")
    for port, free in zip((7100, 7101, 7102), free_ports(3)):
        for file in ("run.sh", "cloud.yaml"):
            path = folder / "deploy/config/processes" / file
            path.write_text(path.read_text().replace(str(port), str(free)))
    return folder / "deploy/config/processes/run.sh"


def below(pid):
    """The processes below it, with what they run."""
    found = {}
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in map(int, children):
        with contextlib.suppress(OSError):
            found[child] = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().decode().replace("\0", " ")
            found |= below(child)
    return found


def pid_of(script, what):
    """Of the waferd whose command says so; None: there is none now."""
    pids = [pid for pid, command in below(script.pid).items() if command.startswith(str(BIN / "waferd")) and re.search(what, command)]
    return pids[0] if pids else None


def wait_for(condition, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.1)
    return value


def test_help_starts_nothing():
    done = subprocess.run(["bash", ROOT / "deploy/config/processes/run.sh", "--http-port", "0", "--help"], capture_output=True, text=True, timeout=20,
                          env={**os.environ, "WAFERD": "/bin/false"})
    assert done.returncode == 0 and "usage: " in done.stdout and "as four processes" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("killed", ("--role prefill", "--layers 0:", "--config"), ids=("prefill worker", "first shard", "server"))
def test_what_dies_is_started_again(tmp_path, killed):
    http, grpc = free_ports(2)
    url = f"http://127.0.0.1:{http}"

    def answer():
        body = {"model": json.loads(get(url + "/v1/models"))["data"][0]["id"], "prompt": "Once", "temperature": 0, "max_tokens": 8}
        return post(url, "/v1/completions", body)["choices"][0]["text"]

    def answered():
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return answer()
        return None

    command = ["bash", own_tree(tmp_path), "--http-port", str(http), "--grpc-port", str(grpc)]
    with subprocess.Popen(command, env={**os.environ, "WAFERD": str(BIN / "waferd")}, stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as script:
        try:
            text = wait_for(answered)
            victim, others = pid_of(script, killed), set(below(script.pid))
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: pid_of(script, killed) not in (None, victim))
            assert wait_for(answered) == text
            waferds = {pid for pid, command in below(script.pid).items() if command.startswith(str(BIN / "waferd"))}
            assert len(waferds) == 4 and len(waferds & others) == 3
        finally:
            script.terminate()
            assert script.wait(60) == 0
        assert not [pid for pid in waferds if pathlib.Path(f"/proc/{pid}").exists()]
