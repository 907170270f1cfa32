"""What fails on several hosts, each a network namespace: a host that is gone, a link between two that live, a front end that is cut from
etcd. Text, emulated times and the schedule's digest are those of a run in which nothing happened. docs/failures.md is the table."""

import contextlib
import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cloud import BIN, START_SECONDS, Metrics, layer_count, post
from etcd import INSTALLED
from hosts import Hosts, available
from quiet_run import CONFIG, MODEL, same_as_quiet

pytestmark = pytest.mark.skipif(not available(), reason="network namespaces need root and iproute2")

LAYERS = layer_count(MODEL)
PATIENCE_S = 3


class Process:
    """waferd on a host; .ports is its port file."""

    def __init__(self, hosts, host, folder, flags):
        self.folder = folder
        self.name = f"{host}-{len(list(folder.iterdir()))}"
        port_file = folder / f"{self.name}.json"
        with open(folder / f"{self.name}.log", "wb") as log:
            self.process = hosts.popen(host, [BIN / "waferd", "--port-file", port_file, *flags], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"waferd {flags} did not become ready:\n{self.log()}")
            time.sleep(0.02)
        self.ports = json.loads(port_file.read_text())
        self.http = f"http://127.0.0.1:{self.ports.get('http')}"  # inside its host

    def log(self):
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Cell(contextlib.ExitStack):
    """A front end, and workers on hosts of their own: {host: flags}. Those named spare... are standbys, prefill... prefill workers."""

    def __init__(self, folder, workers):
        super().__init__()
        self.workers, self.logs = workers, folder / "logs"
        self.logs.mkdir()

    def __enter__(self):
        super().__enter__()
        self.hosts = self.enter_context(Hosts("front", *self.workers))
        at = {}
        for host, flags in self.workers.items():
            address = self.hosts.addresses[host]
            worker = Process(self.hosts, host, self.logs, [*flags, "--model", MODEL, "--listen", f"{address}:0", "--insecure"])
            self.callback(worker.end)
            at[host] = f'{{address: "{address}:{worker.ports["port"]}"}}'
        lists = {"prefill_workers": "prefill", "shard_workers": "shard", "standby_workers": "spare"}
        fields = [f"{field}: [{', '.join(at[host] for host in at if host.startswith(kind))}]" for field, kind in lists.items()
                  if any(host.startswith(kind) for host in at)]
        config = self.logs.parent / "cloud.yaml"
        config.write_text(CONFIG.format(tokens=f"{{from: remote, file: {MODEL}, worker_outage_ms: 60000, worker_patience_ms: {PATIENCE_S}000, "
                                               f"{', '.join(fields)}}}"))
        self.front = Process(self.hosts, "front", self.logs, ["--config", config, "--http-port", "0", "--grpc-port", "0"])
        self.callback(self.front.end)
        return self

    def same_as_quiet(self, row, fault=None):
        with self.hosts.inside("front"):
            same_as_quiet(row, self.front, fault)
            assert Metrics(self.front.http).sum("waferline_restarts_total") == 0


TWO = {"prefill-a": ["--role", "prefill"], "shard-a": ["--role", "shard", "--layers", f"0:{LAYERS // 2}"],
       "shard-b": ["--role", "shard", "--layers", f"{LAYERS // 2}:{LAYERS}"]}
WARM = {"spare-a": ["--role", "worker", "--layers", "any"]}


def test_a_shards_host_is_gone_and_a_standby_takes_its_place(tmp_path):
    with Cell(tmp_path, TWO | WARM) as cell:
        cell.same_as_quiet("a shard's host is gone", lambda: cell.hosts.down("shard-b"))
        cell.hosts.up("shard-b")


def test_a_cable_is_out_for_a_while(tmp_path):
    def out_and_in():
        cell.hosts.down("shard-a")
        time.sleep(PATIENCE_S + 1)
        cell.hosts.up("shard-a")

    with Cell(tmp_path, TWO) as cell:
        cell.same_as_quiet("a cable is out", out_and_in)


def test_the_link_between_two_shards_is_cut_and_both_live(tmp_path):
    with Cell(tmp_path, TWO | WARM) as cell:
        cell.same_as_quiet("the link between two shards", lambda: cell.hosts.cut("shard-a", "shard-b"))
        # A loaded machine may cut it after the last step: then the next heartbeats show it.
        wait_for(lambda: "the next shard" in cell.front.log())


def test_that_link_is_mended(tmp_path):
    def cut_for_a_while():
        cell.hosts.cut("shard-a", "shard-b")
        time.sleep(PATIENCE_S + 1)
        cell.hosts.mend("shard-a", "shard-b")

    with Cell(tmp_path, TWO) as cell:
        cell.same_as_quiet("the link between two shards", cut_for_a_while)


def test_a_prefill_workers_host_is_gone(tmp_path):
    with Cell(tmp_path, TWO | {"prefill-b": ["--role", "prefill"]}) as cell:
        cell.hosts.down("prefill-a")
        cell.same_as_quiet("a prefill worker is lost")


def test_a_prefill_worker_that_does_not_reach_the_shards_is_not_used(tmp_path):
    with Cell(tmp_path, TWO | {"prefill-b": ["--role", "prefill"]}) as cell:
        cell.hosts.cut("prefill-a", "shard-a")
        cell.same_as_quiet("a prefill worker does not reach")


class FleetOnHosts(contextlib.ExitStack):
    """etcd, two front ends of one cell and their workers, each on a host."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.logs = folder, folder / "logs"
        self.logs.mkdir()

    def __enter__(self):
        super().__enter__()
        hosts = self.hosts = self.enter_context(Hosts("etcd", "front-a", "front-b", *TWO))
        url = f"http://{hosts.addresses['etcd']}:2379"
        etcd = hosts.popen("etcd", ["etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls", url, "--advertise-client-urls", url,
                                    "--logger", "zap", "--log-level", "error", "--log-outputs", self.folder / "etcd.log"])
        self.callback(etcd.wait)
        self.callback(etcd.kill)
        registry = f"etcd={hosts.addresses['etcd']}:2379"
        for host, flags in TWO.items():
            worker = Process(hosts, host, self.logs, [*flags, "--model", MODEL, "--listen", f"{hosts.addresses[host]}:0", "--insecure",
                                                      "--registry", registry, "--worker-id", host])
            self.callback(worker.end)
        return self

    def front(self, host):
        config = pathlib.Path(self.folder) / f"{host}.yaml"
        config.write_text(f'cell: {{name: demo, id: {host}, registry: {{endpoints: [{{address: "{self.hosts.addresses["etcd"]}:2379"}}], ttl_s: 2}}}}\n'
                          f"limits: {{grace_us: 0, drain_us: 1000000}}\n" + CONFIG.format(tokens=f"{{from: remote, file: {MODEL}}}"))
        process = Process(self.hosts, host, self.logs, ["--config", config, "--http-port", "8080", "--grpc-port", "0"])
        self.callback(process.end)
        return process

    def get(self, host, path):
        with self.hosts.inside(host):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:8080{path}", timeout=10) as reply:
                    return reply.status, reply.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
            except OSError:
                return 0, ""

    def text(self, host):
        with self.hosts.inside(host):
            return post("http://127.0.0.1:8080", "/v1/completions", {"model": "far", "prompt": "Once", "max_tokens": 24, "seed": 7})["choices"][0]["text"]


def wait_for(condition, seconds=60):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended
        time.sleep(0.05)


@pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")
def test_a_leader_that_is_cut_from_etcd_only_is_outranked_at_its_workers(tmp_path):
    row = "the leader is cut from etcd"
    with FleetOnHosts(tmp_path) as fleet:
        first = fleet.front("front-a")
        wait_for(lambda: fleet.get("front-a", "/ready")[0] == 200)

        def cut_until_its_lease_has_ended():
            fleet.hosts.cut("front-a", "etcd")
            wait_for(lambda: Metrics(first.http).sum("waferline_registry_age_seconds") > 4)

        # It serves on; the other one then has a larger epoch, and the workers follow that alone.
        with fleet.hosts.inside("front-a"):
            same_as_quiet(row, first, cut_until_its_lease_has_ended)
        want = fleet.text("front-a")
        begin = time.monotonic()
        second = fleet.front("front-b")
        wait_for(lambda: fleet.get("front-b", "/ready")[0] == 200)
        print(f"the other one is ready {time.monotonic() - begin:.1f} s after its start")
        with fleet.hosts.inside("front-b"):
            same_as_quiet(row, second)
        assert fleet.text("front-b") == want
        wait_for(lambda: fleet.get("front-a", "/ready")[0] == 503)
        fleet.hosts.mend("front-a", "etcd")
        wait_for(lambda: "leads this cell; send requests there" in fleet.get("front-a", "/ready")[1])
        assert fleet.text("front-b") == want


@pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")
def test_a_standby_leads_when_the_lease_of_a_leader_that_was_cut_off_has_ended(tmp_path):
    with FleetOnHosts(tmp_path) as fleet:
        fleet.front("front-a")
        wait_for(lambda: fleet.get("front-a", "/ready")[0] == 200)
        fleet.front("front-b")
        want = fleet.text("front-a")
        fleet.hosts.cut("front-a", "etcd")
        begin = time.monotonic()
        wait_for(lambda: fleet.get("front-b", "/ready")[0] == 200)
        print(f"the other one is ready {time.monotonic() - begin:.1f} s after the cut")
        assert fleet.text("front-b") == want
