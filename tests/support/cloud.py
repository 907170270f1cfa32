"""What the tests and benchmarks in Python share: a real waferd on ports that the system chooses, ended by its pid, and the few
requests that are sent to it.

    with Waferd("deploy/config/demo.yaml") as server:    # or a model file, which is served without a configuration
        server.http   # "http://127.0.0.1:PORT"
        server.grpc   # "127.0.0.1:PORT"
        server.doors  # {"http": URL, "grpc": URL}, as waferctl --server takes them

The binaries are those of $WAFERLINE_BIN_DIR (default build/bin). What waferd printed is shown when it dies or does not stop.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("WAFERLINE_BIN_DIR", ROOT / "build/bin"))
START_SECONDS = 60
STOP_SECONDS = 30
# The models of a configuration: one, with a text without weights.
ONE_MODEL = f"""
models:
  - name: demo
    shape: llama-3.1-8b
    context: 4096
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{name: wafer, hardware: wse-3, profile: vendor-2024}}]
    link: {{bytes_per_second: 5.0e+10, latency_us: 10}}
    tokens: {{from: cheap, file: {ROOT / "deploy/models/demo.gguf"}}}
"""


def sanitized():
    """Whether waferd was built with a sanitizer: it takes terabytes of addresses, and keeps what is freed for a while."""
    program = BIN / "waferd"
    return program.exists() and re.search(rb"__[at]san_init", program.read_bytes()) is not None


class Waferd:
    def __init__(self, config, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="waferd-test-")
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.port_file = pathlib.Path(self.folder.name) / "ports.json"
        what = ["--config"] if pathlib.Path(config).suffix == ".yaml" else []
        self.command = [str(BIN / "waferd"), *what, str(ROOT / config), "--http-port", "0", "--grpc-port", "0",
                        "--port-file", str(self.port_file), *flags]

    @classmethod
    def of(cls, folder, text):
        """Served by the configuration `text`, from a new file in the folder."""
        path = pathlib.Path(folder) / f"cloud-{len(list(folder.iterdir()))}.yaml"
        path.write_text(text)
        return cls(path)

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self.port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"waferd did not become ready:\n{self.log()}")
            time.sleep(0.02)
        said_by = time.monotonic() + 5  # the ports are written before what is said about them
        while " is ready\n" not in self.log() and time.monotonic() < said_by:
            time.sleep(0.02)
        ports = json.loads(self.port_file.read_text())
        self.http = f"http://127.0.0.1:{ports['http']}"
        self.grpc = f"127.0.0.1:{ports['grpc']}"
        self.doors = {"http": self.http, "grpc": "grpc://" + self.grpc}
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


def far_and_near(tokens, model, scale):
    """A configuration of two models on a clock `scale` times as fast: "far", whose `tokens` come from worker processes, and "near",
    computed in the server itself, which trouble of the other must not touch."""
    return f"""clock: {{kind: real, scale: {scale}}}
models:
  - name: far
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
  - name: near
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {{from: shards, file: {model}, threads: 1}}
"""


def demo_on_two_shards(folder, clock):
    """A waferd with the demo model, timed as Llama 3.1 8B on this clock."""
    return Waferd.of(folder, f"""
clock: {{{clock}}}
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf, shards: 2}}
""")


class Workers:
    """The prefill worker (number 0) and the shards of a GGUF file as processes of their own, then a second prefill worker if there are
    two, then spare shards with these layers; `tokens` goes into a model's configuration."""

    def __init__(self, model, layers, shards, more=(), prefill=1, spares=()):
        """`more` flags go to each."""
        self.folder = tempfile.TemporaryDirectory(prefix="waferd-workers-")
        self.model = model
        cuts = [layers * i // shards for i in range(shards + 1)]
        self.flags = [["--role", "prefill"]]
        self.flags += [["--role", "shard", "--layers", f"{a}:{b}"] for a, b in zip(cuts, cuts[1:])]
        self.flags += [["--role", "prefill"]] * (prefill - 1)
        self.flags += [["--role", "worker", "--layers", part] for part in spares]
        self.flags = [list(flags) for flags in self.flags]
        self.shards, self.spares = shards, len(spares)
        for flags in self.flags:
            flags += more
        self.processes = []
        self.addresses = []

    def __enter__(self):
        for number in range(len(self.flags)):
            self.addresses.append("127.0.0.1:0")
            self.processes.append(None)
            self.start(number)
        end = len(self.addresses) - self.spares
        prefill = [self.addresses[0], *self.addresses[1 + self.shards:end]]
        lists = {"shard_workers": self.addresses[1:1 + self.shards], "standby_workers": self.addresses[end:]}
        fields = [f'prefill_worker: "{prefill[0]}"'] if len(prefill) == 1 else []
        if len(prefill) > 1:
            lists["prefill_workers"] = prefill
        for field, addresses in lists.items():
            listed = ", ".join(f'{{address: "{address}"}}' for address in addresses)
            fields += [f"{field}: [{listed}]"] if addresses else []
        self.tokens = f"{{from: remote, file: {self.model}, {', '.join(fields)}}}"
        return self

    def start(self, number):
        """Starts a worker, again at the address that it had."""
        flags = [*self.flags[number], "--listen", self.addresses[number]]
        ports = self.ports(number)
        ports.unlink(missing_ok=True)
        with open(self.log_path(number), "ab") as log:
            process = subprocess.Popen([BIN / "waferd", "--model", self.model, "--port-file", ports, *flags],
                                       stdout=log, stderr=log)
        self.processes[number] = process
        deadline = time.monotonic() + START_SECONDS
        while not ports.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                log = self.log(number)
                self.__exit__()
                raise RuntimeError(f"waferd {' '.join(flags)} did not become ready:\n{log}")
            time.sleep(0.02)
        self.addresses[number] = f"127.0.0.1:{json.loads(ports.read_text())['port']}"

    def kill(self, number):
        self.processes[number].kill()
        self.processes[number].wait()

    def ports(self, number):
        """Its port file."""
        return pathlib.Path(self.folder.name) / f"{number}.json"

    def log_path(self, number):
        return pathlib.Path(self.folder.name) / f"{number}.log"

    def log(self, number):
        return self.log_path(number).read_text(errors="replace")

    def __exit__(self, *exc):
        started = [process for process in self.processes if process is not None]
        for process in started:
            process.terminate()
        statuses = [process.wait(STOP_SECONDS) for process in started]
        self.folder.cleanup()
        if any(statuses) and exc and exc[0] is None:
            raise RuntimeError(f"workers ended with {statuses}")
        return False


class SplitWorkers(Workers):
    """Attention workers in the place of shards; `ffn` has the feed-forward workers that they use."""

    def __init__(self, model, layers, attention, ffn, micro_batches=2, more=(), between=lambda address: address):
        """`between` gives the address at which attention workers reach a feed-forward worker."""
        super().__init__(model, layers, attention, more)
        self.between = between
        self.ffn = Workers(model, layers, ffn, more)
        self.ffn.flags = [["--role", "ffn", *flags[2:]] for flags in self.ffn.flags[1:]]
        self.micro_batches = micro_batches

    def __enter__(self):
        self.ffn.__enter__()
        addresses = ",".join(map(self.between, self.ffn.addresses))
        self.flags[1:] = [["--role", "attention", *flags[2:], "--ffn-workers", addresses, "--micro-batches", str(self.micro_batches)]
                          for flags in self.flags[1:]]
        try:
            super().__enter__()
        except BaseException:
            self.ffn.__exit__()
            raise
        self.tokens = self.tokens.replace("from: remote", "from: split").replace("shard_workers", "attention_workers")
        return self

    def __exit__(self, *exc):
        try:
            return super().__exit__(*exc)
        finally:
            self.ffn.__exit__(*exc)


def demo_with(folder, old, new):
    """A copy of the demo model in which some bytes of the header are replaced by as many others."""
    assert len(old) == len(new)
    data = (ROOT / "deploy/models/demo.gguf").read_bytes()
    assert old in data
    path = pathlib.Path(folder) / "edited.gguf"
    path.write_bytes(data.replace(old, new, 1))
    return path


def waferctl(*words, stdin="", env=None, timeout=120):
    """The finished process, with its text."""
    return subprocess.run([str(BIN / "waferctl"), *map(str, words)], input=stdin, capture_output=True, text=True, timeout=timeout,
                          cwd=ROOT, env={**os.environ, **(env or {})})


def waferctl_json(*words, program="waferctl", timeout=900):
    """What waferctl (or another program of ours) prints with its words, as JSON; RuntimeError if it fails."""
    command = [str(BIN / program), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def model_shape(model):
    return waferctl_json("model", "inspect", model, "--json")["shape"]


def layer_count(model):
    return model_shape(model)["layers"]


def get(url):
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.read().decode()


def first_model(url):
    return json.loads(get(url + "/v1/models"))["data"][0]["id"]


def post(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def stream(url, path, body, headers=None, timeout=60):
    """Yields (seconds since just before the send, event) for each event of a stream."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        data = json.dumps({**body, "stream": True})
        started = time.perf_counter()
        connection.request("POST", path, data, {"content-type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status}: {reply.read().decode()}")
        for line in reply:
            if line.startswith(b"data: {"):
                yield time.perf_counter() - started, json.loads(line[6:])
            elif line.startswith(b"data: [DONE]"):
                reply.read()
                return
        raise RuntimeError("the stream ended without [DONE]")
    finally:
        connection.close()


SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")


def cpu_seconds(*pids):
    """Time on a CPU so far of processes whose threads do not end meanwhile, to the nanosecond."""
    return sum(int(thread.read_text().split()[0]) for pid in pids for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Metrics:
    """One scrape of /metrics."""

    def __init__(self, url):
        self.samples = []
        for line in get(url + "/metrics").splitlines():
            if match := SAMPLE.match(line):
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
                self.samples.append((match.group(1), labels, float(match.group(3))))

    def names(self):
        return {name for name, _, _ in self.samples}

    def sum(self, name, **labels):
        found = [value for sample, has, value in self.samples
                 if sample == name and all(has.get(key) == wanted for key, wanted in labels.items())]
        if not found:
            raise KeyError(f"{name} {labels} is not exported")
        return sum(found)

    def quantile(self, name, share):
        """Of a histogram, all series together; linear within a bucket."""
        sums = {}
        for sample, labels, value in self.samples:
            if sample == name + "_bucket":
                bound = float(labels["le"])
                sums[bound] = sums.get(bound, 0) + value
        buckets = sorted(sums.items())
        wanted = share * buckets[-1][1]
        below, seen = 0.0, 0.0
        for bound, count in buckets:
            if count >= wanted:
                return below if bound == float("inf") else below + (bound - below) * (wanted - seen) / max(1, count - seen)
            below, seen = bound, count
        return below
