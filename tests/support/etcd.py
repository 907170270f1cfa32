"""A real etcd (Debian's etcd-server) for tests, on ports that the system chose; ended by its pid. `members` of them make a cluster;
with `lab`, a folder of certificates (lab/ca.crt, lab/etcd/), clients must show one; with `hosts` and `names` (hosts.py) each member is on a
host of its own."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

INSTALLED = shutil.which("etcd") is not None


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_port():
    return free_ports(1)[0]


class Etcd:
    def __init__(self, members=1, lab=None, hosts=None, names=()):
        self.folder = tempfile.TemporaryDirectory(prefix="etcd-test-")
        members = len(names) or members
        self.lab, self.hosts, self.names = lab, hosts, names
        if names:
            self.addresses = [f"{hosts.addresses[name]}:2379" for name in names]
            self.peers = [f"http://{hosts.addresses[name]}:2380" for name in names]
        else:
            ports = free_ports(2 * members)
            self.addresses = [f"127.0.0.1:{port}" for port in ports[:members]]
            self.peers = [f"http://127.0.0.1:{port}" for port in ports[members:]]
        self.address = ",".join(self.addresses)
        self.processes = [None] * members

    def start(self, number=None):
        """All members, or one."""
        cluster = ",".join(f"m{i}={peer}" for i, peer in enumerate(self.peers))
        for i in range(len(self.peers)) if number is None else [number]:
            client = f"http{'s' if self.lab else ''}://{self.addresses[i]}"
            tls = []
            if self.lab:
                own = pathlib.Path(self.lab) / "worker-etcd"
                tls = ["--cert-file", own / "tls.crt", "--key-file", own / "tls.key", "--trusted-ca-file", own / "ca.crt", "--client-cert-auth"]
            popen = (lambda command, name=self.names[i]: self.hosts.popen(name, command)) if self.names else subprocess.Popen
            self.processes[i] = popen(
                ["etcd", "--name", f"m{i}", "--data-dir", f"{self.folder.name}/data{i}", "--listen-client-urls", client,
                 "--advertise-client-urls", client, "--listen-peer-urls", self.peers[i], "--initial-advertise-peer-urls", self.peers[i],
                 "--initial-cluster", cluster, "--logger", "zap", "--log-level", "error", "--log-outputs", f"{self.folder.name}/log{i}", *tls])

    def kill(self, number=None):
        for process in self.processes if number is None else [self.processes[number]]:
            process.kill()
            process.wait()

    def save(self, file):
        """A backup, of the first member."""
        subprocess.run(["etcdctl", "--endpoints", self.addresses[0], "snapshot", "save", file], check=True, capture_output=True,
                       env={**os.environ, "ETCDCTL_API": "3"})

    def restore(self, file):
        """What a backup has, at its revision; of one member, while it is not running."""
        self.forget()
        subprocess.run(["etcdctl", "snapshot", "restore", file, "--name", "m0", "--data-dir", f"{self.folder.name}/data0",
                        "--initial-cluster", f"m0={self.peers[0]}", "--initial-advertise-peer-urls", self.peers[0]],
                       check=True, capture_output=True, env={**os.environ, "ETCDCTL_API": "3"})

    def put(self, key, value):
        subprocess.run(["etcdctl", "--endpoints", self.addresses[0], "put", key, value], check=True, capture_output=True,
                       env={**os.environ, "ETCDCTL_API": "3"})

    def delete(self, prefix):
        subprocess.run(["etcdctl", "--endpoints", self.addresses[0], "del", "--prefix", prefix], check=True, capture_output=True,
                       env={**os.environ, "ETCDCTL_API": "3"})

    def forget(self):
        """Everything that it knew; while it is not running."""
        for i in range(len(self.peers)):
            shutil.rmtree(f"{self.folder.name}/data{i}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.kill()
        self.folder.cleanup()
        return False
