"""The wall clock of the server and of its workers jumps a day ahead and back while a request runs: nothing is seen, since time-outs and
heartbeats are on steady clocks, and leases only say who may try."""

import os
import shutil
import subprocess

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, layer_count
from quiet_run import CONFIG, MODEL, quiet, same_as_quiet


@pytest.mark.skipif(shutil.which("cc") is None, reason="the clock is moved by a library that is compiled here")
def test_a_jump_of_a_day_is_not_seen(tmp_path, monkeypatch):
    library = tmp_path / "clock_jump.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, ROOT / "tests/support/clock_jump.c", "-ldl"], check=True)
    jump = tmp_path / "jump"
    jump.write_text("0")
    config = tmp_path / "cloud.yaml"
    quiet()  # without the library
    monkeypatch.setenv("CLOCK_JUMP_FILE", str(jump))
    monkeypatch.setenv("LD_PRELOAD", str(library))

    def ahead_and_back():
        seen = []
        for seconds in (86400, -86400):
            jump.write_text(str(seconds))
            seen.append(int(subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True, env=os.environ).stdout))
        assert seen[0] - seen[1] > 86400  # the library works

    with Workers(MODEL, layer_count(MODEL), 2) as workers:
        config.write_text(CONFIG.format(tokens=workers.tokens))
        with Waferd(config) as server:
            same_as_quiet("a wall clock jumps", server, ahead_and_back)
            metrics = Metrics(server.http)
            assert metrics.sum("waferline_host_recoveries_total") == 0 and metrics.sum("waferline_restarts_total") == 0
