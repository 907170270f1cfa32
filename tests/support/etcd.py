"""A real etcd (Debian's etcd-server) for tests, on ports that the system chose; ended by its pid."""

import shutil
import socket
import subprocess
import tempfile

INSTALLED = shutil.which("etcd") is not None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Etcd:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="etcd-test-")
        self.address = f"127.0.0.1:{free_port()}"
        self.peer = f"http://127.0.0.1:{free_port()}"
        self.process = None

    def start(self):
        client = f"http://{self.address}"
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", self.folder.name + "/data", "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer, "--initial-cluster", f"default={self.peer}",
             "--logger", "zap", "--log-level", "error", "--log-outputs", self.folder.name + "/log"])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.kill()
        self.folder.cleanup()
        return False
