"""Starts a real waferd on ports that the system chooses and ends it by pid, for tests in Python.

    with Waferd("deploy/config/demo.yaml") as server:
        server.http   # "http://127.0.0.1:PORT"
        server.grpc   # "127.0.0.1:PORT"

The binary is $WAFERLINE_BIN_DIR/waferd (default build/bin). What it printed is shown when it dies or refuses to stop.
"""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("WAFERLINE_BIN_DIR", ROOT / "build/bin"))
START_SECONDS = 60
STOP_SECONDS = 30


class Waferd:
    def __init__(self, config, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="waferd-test-")
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.port_file = pathlib.Path(self.folder.name) / "ports.json"
        self.command = [str(BIN / "waferd"), "--config", str(ROOT / config), "--http-port", "0", "--grpc-port", "0",
                        "--port-file", str(self.port_file), *flags]

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self.port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"waferd did not become ready:\n{self.log()}")
            time.sleep(0.02)
        ports = json.loads(self.port_file.read_text())
        self.http = f"http://127.0.0.1:{ports['http']}"
        self.grpc = f"127.0.0.1:{ports['grpc']}"
        self.pid = self.process.pid
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        """SIGTERM, then waits for the drain; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def __exit__(self, *exc):
        try:
            status = self.process.poll() if self.process.poll() is not None else self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"none within {STOP_SECONDS} s of SIGTERM"
        log = self.log()
        self.folder.cleanup()
        if status != 0 and exc[0] is None:
            raise RuntimeError(f"waferd ended with {status}:\n{log}")
        return False


class Workers:
    """The prefill worker and the shards of a GGUF file as processes of their own; `tokens` goes into a model's configuration."""

    def __init__(self, model, layers, shards):
        self.folder = tempfile.TemporaryDirectory(prefix="waferd-workers-")
        self.model = model
        cuts = [layers * i // shards for i in range(shards + 1)]
        self.flags = [["--role", "prefill"]]
        self.flags += [["--role", "shard", "--layers", f"{a}:{b}"] for a, b in zip(cuts, cuts[1:])]
        self.processes = []

    def __enter__(self):
        addresses = []
        for number, flags in enumerate(self.flags):
            ports = pathlib.Path(self.folder.name) / f"{number}.json"
            process = subprocess.Popen([BIN / "waferd", "--model", self.model, "--port-file", ports, *flags],
                                       stdout=subprocess.DEVNULL)
            self.processes.append(process)
            deadline = time.monotonic() + START_SECONDS
            while not ports.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise RuntimeError(f"waferd {' '.join(flags)} did not become ready")
                time.sleep(0.02)
            addresses.append(f"127.0.0.1:{json.loads(ports.read_text())['port']}")
        listed = ", ".join(f'{{address: "{address}"}}' for address in addresses[1:])
        self.tokens = (f'{{from: remote, file: {self.model}, prefill_worker: "{addresses[0]}", '
                       f"shard_workers: [{listed}]}}")
        return self

    def __exit__(self, *exc):
        for process in self.processes:
            process.terminate()
        statuses = [process.wait(STOP_SECONDS) for process in self.processes]
        self.folder.cleanup()
        if any(statuses) and exc and exc[0] is None:
            raise RuntimeError(f"workers ended with {statuses}")
        return False


def layer_count(model):
    out = subprocess.run([BIN / "waferctl", "model", "inspect", model, "--json"], capture_output=True, check=True)
    return json.loads(out.stdout)["shape"]["layers"]
