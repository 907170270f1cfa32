"""Usage records of a real waferd while its database restarts, is locked, full, read-only, removed or written to from outside."""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cloud import Waferd, get
from postgres import Postgres, Sqlite, programs
from usage_load import SEED, Load, ask, check_records, config


def test_a_database_that_restarts_costs_time_and_no_record(tmp_path):
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() as database, Waferd(config(tmp_path, database, patience=20000)) as server:
        with Load(server.http, 8, SEED) as load:
            for how in (signal.SIGQUIT, signal.SIGINT):
                time.sleep(0.5)
                database.stop(how)
                time.sleep(0.3)
                database.start()
            before = len(load.answers)
            time.sleep(1.5)
        assert len(load.answers) > before
        assert all("usage" in answer for answer in load.answers), [a for a in load.answers if "usage" not in a]
        assert server.stop() == 0
        check_records(database, load.answers)
        assert int(database.rows("SELECT COUNT(*) FROM epoch")[0][0]) >= 3  # a new one a connection


def test_a_locked_file_holds_ends_back_then_refuses_and_loses_nothing(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database, patience=1000)) as server:
        answers = [ask(server.http, 1, True, 5)]
        other = sqlite3.connect(database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        late = ask(server.http, 1, True, 5)
        assert 0.9 < time.monotonic() - began < 10
        assert late["status"] == 200 and "usage" not in late
        assert "not confirmed within 1 s" in late["error"]["message"]
        deadline = time.monotonic() + 60
        while True:  # the first may come just before the group in hand is as old as the patience
            refused = ask(server.http, 1, False, 5)
            assert refused["status"] == 503 and time.monotonic() < deadline
            if "usage database has taken no record" in refused["error"]["message"]:
                break
            assert "not confirmed within 1 s" in refused["error"]["message"]
        assert json.loads(get(server.http + "/health"))["status"] == "ok"
        other.execute("ROLLBACK")
        other.close()
        deadline = time.monotonic() + 20
        while "usage" not in answers[-1] or len(answers) < 2:
            assert time.monotonic() < deadline
            answers.append(ask(server.http, 1, False, 5))
        answers.append(late)
        assert server.stop() == 0
        check_records(database, answers)
        epoch, ordinal, _ = late["id"].split(".")
        assert database.rows(f"SELECT status, generated FROM usage WHERE epoch = {epoch} AND ordinal = {ordinal}") == [["posted", "5"]]


def on_a_disk(folder, options):
    """The beginning of a command that sees a disk of its own at the folder."""
    folder.mkdir()
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'mount -t tmpfs -o {options} none "$0" && exec "$@"', str(folder)]
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    return command


def test_a_full_disk_holds_ends_back_then_refuses_and_loses_nothing(tmp_path):
    disk, database = tmp_path / "disk", Sqlite()
    database.url = f"sqlite:{disk}/usage.db"
    server = Waferd(config(tmp_path, database, patience=1000))
    server.command = [*on_a_disk(disk, "size=2m"), *server.command]
    with server:
        inside = pathlib.Path(f"/proc/{server.pid}/root{disk}")
        answers = [ask(server.http, 1, False, 5)]
        fill = os.open(inside / "fill", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space left"):
            while os.write(fill, bytes(4096)):
                pass
        os.close(fill)
        deadline = time.monotonic() + 60
        while "usage" in answers[-1]:
            assert time.monotonic() < deadline
            answers.append(ask(server.http, 1, False, 5))
        assert answers[-1]["status"] == 503 and "database or disk is full" in answers[-1]["error"]["message"], answers[-1]
        assert str(disk) not in answers[-1]["error"]["message"] and f"SQLite {disk}/usage.db: " in server.log()
        (inside / "fill").unlink()
        while "usage" not in answers[-1]:
            assert time.monotonic() < deadline
            answers.append(ask(server.http, 1, False, 5))
        for end in ("", "-wal"):  # SQLite would follow the path inside to ours
            shutil.copy(f"{inside}/usage.db{end}", f"{tmp_path}/copy.db{end}")
        database.path = tmp_path / "copy.db"
        posted = {f"{epoch}.{ordinal}.0" for epoch, ordinal in database.rows("SELECT epoch, ordinal FROM usage WHERE status = 'posted'")}
        assert {answer["id"] for answer in answers if "usage" in answer} <= posted
        assert any("usage" not in answer and answer.get("id") in posted for answer in answers)  # what waited was written


def test_a_disk_that_is_read_only_is_named_at_the_start(tmp_path):
    disk, database = tmp_path / "disk", Sqlite()
    database.url = f"sqlite:{disk}/usage.db"
    server = Waferd(config(tmp_path, database))
    server.command = [*on_a_disk(disk, "ro"), *server.command]
    with pytest.raises(RuntimeError, match=f"{disk}/usage.db.*: Read-only file system"):
        server.__enter__()



def refusal(server):
    """What /ready and a new request say."""
    with pytest.raises(urllib.error.HTTPError) as unready:
        get(server.http + "/ready")
    assert unready.value.code == 503
    answer = ask(server.http, 1, False, 5)
    assert answer["status"] == 503
    return unready.value.read().decode(), answer["error"]["message"]


def test_a_database_file_that_is_removed_is_noticed_and_nothing_is_lost(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database)) as server:
        answers = [ask(server.http, 1, False, 5)]
        away = database.path.with_name("away.db")
        database.path.rename(away)
        for said in refusal(server):  # clients need not know where it lies
            assert "was removed or replaced" in said and str(database.path) not in said
        assert f"SQLite {database.path}: the usage database was removed or replaced" in server.log()
        away.rename(database.path)
        deadline = time.monotonic() + 60
        while "usage" not in answers[-1] or len(answers) < 2:  # until what waits is tried again
            assert time.monotonic() < deadline
            answers.append(ask(server.http, 1, False, 5))
        assert get(server.http + "/ready")
        assert server.stop() == 0
        check_records(database, answers)


def test_an_outside_checkpoint_costs_no_answer(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database)) as server:
        other = sqlite3.connect(database.path, isolation_level=None)
        with Load(server.http, 8, SEED) as load:
            for _ in range(40):
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                time.sleep(0.02)
        other.close()
        assert load.answers and all("usage" in answer for answer in load.answers), [a for a in load.answers if "usage" not in a]
        assert server.stop() == 0
        check_records(database, load.answers)


@pytest.mark.parametrize("how", ["cut", "written in place"])
def test_a_database_file_that_is_cut_or_written_in_place_is_noticed_and_no_id_comes_again(tmp_path, how):
    ids = []
    with Sqlite() as database:
        path = config(tmp_path, database, patience=1000)
        with pytest.raises(RuntimeError, match="ended with -9"), Waferd(path) as server:
            ids.append(ask(server.http, 1, False, 5)["id"])
            older = database.path.read_bytes()
            database.path.write_bytes(b"" if how == "cut" else older)
            for said in refusal(server):
                assert "was cut or written to by another program" in said
            server.process.kill()
            server.process.wait()
        for end in ("", "-wal", "-shm"):
            database.path.with_name(database.path.name + end).unlink(missing_ok=True)
        with Waferd(path) as server:  # a database from the beginning
            ids.append(ask(server.http, 1, False, 5)["id"])
    assert ids == ["1.1.0", "2.1.0"]
