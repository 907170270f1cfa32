"""Who has no certificate, or a right one of another role, at each door of a cloud: every pair that SECURITY.md's table does not list is
refused by name, every other one is let in. Doors are the ports of each kind of worker, of a server, and the keys of the registry."""

import json
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

from cloud import BIN, ONE_MODEL, ROOT, Waferd, Workers, layer_count, waferctl
from etcd import INSTALLED, Etcd
from experts_test import EXPERTS, HIDDEN

MODEL = ROOT / "deploy/models/demo.gguf"
ROLES = ("frontend", "worker/w", "operator", "client/alice")
# SECURITY.md's table, by the name that a refusal has for the door; deny by default.
MAY_CALL = {"prefill": {"frontend"}, "shard": {"frontend", "worker/w"}, "attention": {"frontend", "worker/w"}, "experts": {"worker/w"},
            "ffn": {"worker/w"}}


class Lab:
    def __init__(self, folder):
        self.folder = folder
        for words in (("init", folder), *(("issue", folder, role) for role in ROLES)):
            done = waferctl("certs", *words)
            assert done.returncode == 0, done.stderr

    def own(self, role):
        return self.folder / role.replace("/", "-")

    def context(self, role):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.folder / "ca.crt")
        if role is not None:
            context.load_cert_chain(self.own(role) / "tls.crt", self.own(role) / "tls.key")
        return context

    def flags(self, role):
        own = [] if role is None else ["--cert", self.own(role) / "tls.crt", "--key", self.own(role) / "tls.key"]
        return ["--ca", self.folder / "ca.crt", *own]


@pytest.fixture(name="lab", scope="module")
def make_lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("certs") / "lab")


class OneWorker(Workers):
    """A process of one role."""

    def __init__(self, lab, model, words):
        super().__init__(model, 1, 1)
        self.flags = [[*words, "--tls", str(lab.own("worker/w"))]]
        self.shards = 0

    def port(self):
        return int(self.addresses[0].rsplit(":", 1)[1])


def wait_for(condition, what, seconds=60):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended, what()
        time.sleep(0.05)


def knock(lab, port, role):
    """Shakes hands as `role`, and waits to be closed."""
    context = lab.context(role)
    context.set_alpn_protocols(["wl/2"])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        try:
            with context.wrap_socket(plain) as secure:
                secure.sendall(b"\xff" * 64)  # no frame: who is let in is closed for this
                while secure.recv(100):
                    pass
        except OSError:
            pass


@pytest.mark.parametrize("door", MAY_CALL)
def test_a_workers_port_takes_the_roles_that_may_call_it_and_no_other(door, lab, tmp_path):
    model, words = MODEL, ["--role", door]
    if door in ("shard", "attention", "ffn"):
        words += ["--layers", f"0:{layer_count(MODEL)}"]
    if door == "experts":
        model = tmp_path / "experts.gguf"
        subprocess.run([BIN / "random_model", "qwen3moe", "Q8_0", model, "layers=1", f"experts={EXPERTS}", "experts_used=2", f"hidden={HIDDEN}"],
                       check=True)
        words += ["--layers", "0:1", "--experts", f"0:{EXPERTS}"]
    if door == "attention":
        with OneWorker(lab, MODEL, ["--role", "ffn", "--layers", f"0:{layer_count(MODEL)}"]) as ffn:
            return every_role(door, lab, OneWorker(lab, model, [*words, "--ffn-workers", ffn.addresses[0]]))
    return every_role(door, lab, OneWorker(lab, model, words))


def every_role(door, lab, worker):
    with worker:
        for role in (None, *ROLES):
            before = worker.log(0)
            knock(lab, worker.port(), role)
            said = re.compile("TLS: no_certificate" if role is None else rf"TLS: wrong_role: spiffe://\S+/{role} may not call {door}")
            if role in MAY_CALL[door]:
                wait_for(lambda before=before: len(worker.log(0)) > len(before), lambda: worker.log(0))
                assert "TLS:" not in worker.log(0)[len(before):], (door, role, worker.log(0))
            else:
                wait_for(lambda before=before, said=said: said.search(worker.log(0)[len(before):]),
                         lambda role=role: f"{door} lets {role} in:\n{worker.log(0)}")
            time.sleep(0.4)  # a few lines a second are printed


ORDERS = (("drain",), ("resume",), ("abort", "some-id"), ("status",), ("requests",), ("top", "--count", "1"))


def test_only_an_operators_certificate_operates_a_server_also_from_its_own_machine(lab, tmp_path):
    path = tmp_path / "server.yaml"
    own = lab.own("frontend")
    path.write_text(f"tls: {{cert: {own}/tls.crt, key: {own}/tls.key, ca: {own}/ca.crt}}\n{ONE_MODEL}")
    with Waferd(path) as server:
        url = server.http.replace("http://", "https://")
        for role in ("frontend", "client/alice"):
            for order in ORDERS:
                done = waferctl(*order, "--server", url, *lab.flags(role))
                assert done.returncode == 1 and f"/{role} may not operate the server" in done.stderr, (role, order, done.stderr)
            fault = ("faults", "send", "unit_lost", "--model", "demo")
            for door in (url, "grpcs://" + server.grpc.replace("127.0.0.1", "localhost")):
                done = waferctl(*fault, "--server", door, *lab.flags(role))
                assert done.returncode == 1 and f"/{role} may not operate the server" in done.stderr, (role, door, done.stderr)
        # A worker's certificate does not pass the handshake.
        done = waferctl("drain", "--server", url, *lab.flags("worker/w"))
        assert done.returncode == 1, done.stdout
        assert "wrong_role" in server.log() and "worker/w may not call http" in server.log()
        state = json.loads(waferctl("status", "--json", "--server", url, *lab.flags("operator")).stdout)["state"]
        assert state == "ready"
        for order in (("drain",), ("resume",)):
            done = waferctl(*order, "--server", url, *lab.flags("operator"))
            assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")
def test_the_registrys_keys_are_those_of_members_if_etcd_says_so(lab, tmp_path):
    """etcd knows a peer by its certificate's common name; docs/cells.md has these commands."""
    for role in ("worker/etcd", "client/root"):
        done = waferctl("certs", "issue", lab.folder, role)
        assert done.returncode == 0, done.stderr
    with Etcd(lab=lab.folder) as etcd:
        def ctl(role, *words):
            files = ["--cacert", lab.folder / "ca.crt", "--cert", lab.own(role) / "tls.crt", "--key", lab.own(role) / "tls.key"]
            return subprocess.run(["etcdctl", "--endpoints", f"https://{etcd.address}", *files, *words], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "ETCDCTL_API": "3"})

        wait_for(lambda: ctl("client/root", "endpoint", "health").returncode == 0, lambda: ctl("client/root", "endpoint", "health").stderr)
        commands = re.findall(r"^    etcdctl (.*)$", (ROOT / "docs/cells.md").read_text(), re.M)
        assert len(commands) > 5
        for command in commands:
            done = ctl("client/root", *command.replace("MEMBER", "worker-w").split())
            assert done.returncode == 0, (command, done.stderr)
        at = ["fleet", "--registry", f"etcd=https://{etcd.address}"]
        shard = Workers(MODEL, layer_count(MODEL), 1)
        registry = [f"--registry-{name}={lab.folder}/{file}" for name, file in
                    (("ca", "ca.crt"), ("cert", "worker-w/tls.crt"), ("key", "worker-w/tls.key"))]
        shard.flags = [[*shard.flags[1], "--registry", f"etcd=https://{etcd.address}", *registry, "--worker-id", "s0"]]
        shard.shards = 0
        with shard:
            seen = lambda: json.loads(waferctl(*at, "--json", *lab.flags("worker/w")).stdout or "{}")  # noqa: E731
            wait_for(lambda: [each["id"] for each in seen().get("workers", [])] == ["s0"], lambda: waferctl(*at, *lab.flags("worker/w")).stderr)
            for key in ("cells/demo-0/leader", "claims/s0", "workers/s0"):
                for words in (("put", f"/waferline/1/default/{key}", "mine"), ("del", f"/waferline/1/default/{key}")):
                    done = ctl("client/alice", *words)
                    assert done.returncode != 0 and "permission denied" in done.stderr, (words, done.stdout, done.stderr)
            for role, said in (("client/alice", "permission denied"), (None, "")):
                done = waferctl(*at, *lab.flags(role))
                assert done.returncode == 1 and said in done.stderr, (role, done.stdout, done.stderr)
            assert [each["id"] for each in seen()["workers"]] == ["s0"]
