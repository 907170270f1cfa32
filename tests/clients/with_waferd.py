"""Runs a client's test against a fresh waferd: with_waferd.py CONFIG [--state-dir] COMMAND...

The command gets WAFERLINE_URL, and WAFERLINE_MODEL: the first model of the configuration. Afterwards nothing may be left
in flight, and waferd must end cleanly.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import Metrics, Waferd, first_model  # noqa: E402


def in_flight(url):
    return Metrics(url).sum("waferline_requests_in_flight")


def main(config, command):
    keeps = command[0] == "--state-dir"  # in a folder of the test's own
    command = command[1:] if keeps else command
    with tempfile.TemporaryDirectory(prefix="waferd-state-") as state, Waferd(config, *(["--state-dir", state] if keeps else [])) as server:
        environment = dict(os.environ, WAFERLINE_URL=server.http, WAFERLINE_MODEL=first_model(server.http))
        status = subprocess.run(command, env=environment, timeout=1800, check=False).returncode
        deadline = time.monotonic() + 10
        while in_flight(server.http) > 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{in_flight(server.http)} requests are still in flight")
            time.sleep(0.05)
        if status != 0:
            print(server.log())
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
