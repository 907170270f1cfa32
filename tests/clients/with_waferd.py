"""Runs a client's test against a fresh waferd: with_waferd.py CONFIG COMMAND...

The command gets WAFERLINE_URL, and WAFERLINE_MODEL: the first model of the configuration. Afterwards nothing may be left
in flight, and waferd must end cleanly.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from waferd import Waferd  # noqa: E402


def get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


def in_flight(url):
    for line in get(url + "/metrics").splitlines():
        if line.startswith("waferline_requests_in_flight "):
            return float(line.split()[1])
    raise RuntimeError("waferline_requests_in_flight is not exported")


def main(config, command):
    with Waferd(config) as server:
        model = json.loads(get(server.http + "/v1/models"))["data"][0]["id"]
        environment = dict(os.environ, WAFERLINE_URL=server.http, WAFERLINE_MODEL=model)
        status = subprocess.run(command, env=environment, timeout=240, check=False).returncode
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
