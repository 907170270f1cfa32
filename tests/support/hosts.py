"""Hosts of a small network, each a network namespace with an address in 10.77.0.0/24, joined by a bridge that has a namespace of its own.
Needs root and iproute2.

    with Hosts("front", "shard-a", "shard-b") as hosts:
        process = hosts.popen("front", [BIN / "waferd", ...])
        hosts.cut("shard-a", "shard-b")      # their packets to each other get lost; mend() ends it
        hosts.down("shard-b")                # its cable is out; up() ends it
        with hosts.inside("front"): ...      # sockets that this thread opens are of that host
"""

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
NOWHERE = "02:00:00:00:00:99"  # nobody has this link address
_numbers = itertools.count()


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def available():
    """Whether namespaces can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with Hosts("probe"):
            return True
    except RuntimeError:
        return False


class Hosts:
    def __init__(self, *names):
        self.prefix = f"wl{os.getpid()}-{next(_numbers)}-"
        self.addresses = {name: f"10.77.0.{number + 1}" for number, name in enumerate(names)}
        self.made = []

    def space(self, name):
        return self.prefix + name

    def add_space(self, name):
        ip("netns", "add", self.space(name))
        self.made.append(name)
        ip("-n", self.space(name), "link", "set", "lo", "up")

    def __enter__(self):
        try:
            self.add_space("switch")
            ip("-n", self.space("switch"), "link", "add", "br0", "type", "bridge")
            ip("-n", self.space("switch"), "link", "set", "br0", "up")
            for number, (name, address) in enumerate(self.addresses.items()):
                self.add_space(name)
                ip("-n", self.space(name), "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}", "netns", self.space("switch"))
                ip("-n", self.space("switch"), "link", "set", f"port{number}", "master", "br0", "up")
                ip("-n", self.space(name), "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", self.space(name), "link", "set", "eth0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for name in self.made:
            with contextlib.suppress(RuntimeError):
                ip("netns", "del", self.space(name))
        return False

    def popen(self, name, command, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.space(name), *map(str, command)], **options)

    def cut(self, one, other):
        """Packets between the two get lost, both ways, without a word."""
        for here, there in ((one, other), (other, one)):
            ip("-n", self.space(here), "neigh", "replace", self.addresses[there], "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")

    def mend(self, one, other):
        for here, there in ((one, other), (other, one)):
            ip("-n", self.space(here), "neigh", "del", self.addresses[there], "dev", "eth0")

    def down(self, name):
        ip("-n", self.space(name), "link", "set", "eth0", "down")

    def up(self, name):
        ip("-n", self.space(name), "link", "set", "eth0", "up")

    @contextlib.contextmanager
    def inside(self, name):
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/var/run/netns/{self.space(name)}", "rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns to {name}")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)
