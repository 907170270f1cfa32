"""A PostgreSQL server of the test's own: initdb in a temporary folder, a port that the system chose, loopback only, as a user that
is not root. Debian's programs (/usr/lib/postgresql/VERSION/bin).

    with Postgres() as database:
        database.url                    # postgresql://waferline@127.0.0.1:PORT/postgres
        database.rows("SELECT 1, 'a'")  # [["1", "a"]]
"""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import pytest

USER = "postgres" if os.getuid() == 0 else None  # Debian's; PostgreSQL refuses to run as root


def programs():
    """The newest installed version's folder, or None."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    def __init__(self):
        self.bin = programs()
        self.folder = tempfile.TemporaryDirectory(prefix="waferline-postgres-")
        self.data = pathlib.Path(self.folder.name) / "data"
        self.port = free_port()
        self.url = f"postgresql://waferline@127.0.0.1:{self.port}/postgres"

    def __enter__(self):
        os.chmod(self.folder.name, 0o777)
        subprocess.run([self.bin / "initdb", "-D", self.data, "-U", "waferline", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, user=USER, cwd="/")
        self.start()
        return self

    def start(self):
        command = [self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                   "-c", f"unix_socket_directories={self.folder.name}"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=USER, cwd="/")
        deadline = time.monotonic() + 60
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """SIGINT: ends its sessions and stops. SIGQUIT: at once, as after a crash."""
        self.process.send_signal(how)
        self.process.wait(60)

    def rows(self, sql):
        done = subprocess.run([self.bin / "psql", "-XAt", "-F", "\x1f", self.url, "-c", sql], capture_output=True, text=True, check=True)
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def run(self, script):
        """Statements that give no rows."""
        subprocess.run([self.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.url], input=script, capture_output=True, text=True, check=True)

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.stop()
        self.folder.cleanup()
        return False


class Sqlite:
    """The same for a file."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="waferline-sqlite-")
        self.path = pathlib.Path(self.folder.name) / "usage.db"
        self.url = f"sqlite:{self.path}"

    def __enter__(self):
        return self

    def rows(self, sql):
        import sqlite3
        connection = sqlite3.connect(self.path)
        try:
            return [[str(value) for value in row] for row in connection.execute(sql)]
        finally:
            connection.close()

    def run(self, script):
        import sqlite3
        connection = sqlite3.connect(self.path)
        try:
            connection.executescript(script)
        finally:
            connection.close()

    def __exit__(self, *exc):
        self.folder.cleanup()
        return False


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    if request.param == "postgres" and programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() if request.param == "postgres" else Sqlite() as one:
        yield one
