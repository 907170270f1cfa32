"""Other projects' programs from PyPI, and a network that has only loopback to run them in.

    folder = installed("smg", "smg==1.13.0")        # a virtual environment in the build folder; skips where PyPI cannot be had
    packages_of(folder)                             # where its packages are, for a Python of the same version
    with LoopbackOnly():                            # of this thread and of what it starts; skips where that is not allowed
        with Program([folder / "bin/smg", ...], log) as program:
            wait_for(url, program)
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from cloud import BIN

NEW_NETWORK = 0x40000000  # CLONE_NEWNET


@contextlib.contextmanager
def held(path):
    """While another test has the file it is waited for."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installed(name, *packages, without_dependencies=()):
    """The folder of a virtual environment with these packages, kept for the next run. Tests that run at once may ask for the same."""
    folder = (BIN.parent / "programs" / name).resolve()
    folder.parent.mkdir(exist_ok=True)
    with held(folder.with_suffix(".lock")):
        return install(folder, packages, without_dependencies)


def install(folder, packages, without_dependencies):
    wanted = hashlib.sha256("\n".join([*packages, "/", *without_dependencies]).encode()).hexdigest()
    marker = folder / "installed"
    if marker.exists() and marker.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    pip = [folder / "bin/pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    steps = [[sys.executable, "-m", "venv", folder]]
    steps += [[*pip, "--no-deps", *without_dependencies]] if without_dependencies else []
    for step in [*steps, [*pip, *packages]]:
        done = subprocess.run(step, capture_output=True, text=True, timeout=1200)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"{' '.join([*packages, *without_dependencies])} cannot be had from PyPI: {done.stderr.strip()[-300:]}")
    marker.write_text(wanted)
    return folder


def packages_of(folder):
    return next(folder.glob("lib/python*/site-packages"))


class LoopbackOnly:
    """A network namespace of its own with loopback and nothing else, for the calling thread and what it starts from now on."""

    def __enter__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if self.libc.unshare(NEW_NETWORK) != 0:
            pytest.skip(f"a network namespace cannot be made: {os.strerror(ctypes.get_errno())}")
        if subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True).returncode:
            self.__exit__()
            pytest.skip("ip (iproute2) cannot bring up loopback")
        return self

    def __exit__(self, *exc):
        self.libc.setns(self.before, NEW_NETWORK)
        os.close(self.before)


class Program:
    """Ended by its pid; what it printed is in its log."""

    def __init__(self, command, log, env=None):
        self.command, self.log_path, self.env = [str(word) for word in command], log, {**os.environ, **(env or {})}

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env, start_new_session=True)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if exc[0] is not None:
            print(f"--- {self.command[0]}:\n{self.log()[-4000:]}")


def wait_for(url, *programs, until=lambda text: True, seconds=120):
    """What the address answers, once it answers well and `until` holds of it."""
    end = time.monotonic() + seconds
    last = "no answer"
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                last = reply.read().decode()
            if until(last):
                return last
        except OSError as error:
            last = str(error)
        for program in programs:
            assert program.process.poll() is None, f"{program.command[0]} ended:\n{program.log()[-4000:]}"
        time.sleep(0.2)
    raise AssertionError(f"{url}: {last[:500]}\n" + "\n".join(program.log()[-3000:] for program in programs))
