"""Usage records of a real waferd while its database restarts, is locked, full, read-only, removed or written to from outside."""

import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cloud import Waferd, get, waferctl, waferctl_json
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


def test_a_touch_of_the_file_costs_no_answer_and_a_write_after_it_is_noticed(tmp_path):
    with Sqlite() as database:
        with pytest.raises(RuntimeError, match="ended with -9"), Waferd(config(tmp_path, database)) as server:
            with Load(server.http, 8, SEED) as load:
                for turn in range(60):
                    how = ["-d", "@1"] if turn % 3 == 2 else ["-m"] if turn < 8 else []
                    subprocess.run(["touch", *how, database.path], check=True)
                    database.path.chmod(0o600 + 0o40 * (turn % 2))
                    database.path.read_bytes()  # as a backup does
                    time.sleep(0.02)
            assert load.answers and all("usage" in answer for answer in load.answers), [a for a in load.answers if "usage" not in a]
            assert get(server.http + "/ready")
            check_records(database, load.answers)
            assert "its time was changed by another program, and none of its bytes: the server goes on" in server.log()
            with open(database.path, "r+b") as file:
                file.write(b"sqlite")
            for said in refusal(server):
                assert "was cut or written to by another program" in said
            server.process.kill()
            server.process.wait()


def priced(folder, database, more=""):
    """A server with prices, so that its ledger can be verified."""
    (folder / "prices.yaml").write_text('currency: USD\nversions: [{effective: 2026-01-01T00:00:00Z, models: [{name: m, input: "0.1", '
                                        'cached_input: "0.1", output: "0.3"}]}]\n')
    return config(folder, database, more=", prices: ./prices.yaml" + more)


@pytest.mark.parametrize("reader", ["the server", "waferctl"])
def test_a_log_that_is_cut_while_the_server_is_down_is_named_and_the_rest_is_whole(tmp_path, reader):
    """With `durability: power`: what is lost was taken from the file, not by the power."""
    with Sqlite() as database:
        path = priced(tmp_path, database, ", durability: power")
        with pytest.raises(RuntimeError, match="ended with -9"), Waferd(path) as server:
            answers, sizes = [], []
            log = database.path.with_name("usage.db-wal")
            for _ in range(20):
                answers.append(ask(server.http, 1, False, 5))
                sizes.append(log.stat().st_size)
            server.process.kill()
            server.process.wait()
        os.truncate(log, (sizes[9] + sizes[10]) // 2)
        says = r"its log \(-wal\) was cut or damaged while no server ran, or by a power failure: \d+ of its \d+ pages are gone"
        if reader == "waferctl":  # the first to read it says so
            checked = waferctl("ledger", "verify", "--store", database.url)
            assert checked.returncode == 0 and re.search(says, checked.stderr), checked.stderr
        with Waferd(path) as server:
            assert bool(re.search("warning: .*" + says, server.log())) == (reader == "the server"), server.log()
            answers.append(ask(server.http, 1, False, 5))
            assert answers[-1]["id"] == "2.1.0"
            assert server.stop() == 0
        posted = {f"{epoch}.{ordinal}.0" for epoch, ordinal in database.rows("SELECT epoch, ordinal FROM usage WHERE status = 'posted'")}
        ids = [answer["id"] for answer in answers]
        kept = len(posted) - 1
        assert posted == {*ids[:kept], ids[-1]} and 8 <= kept <= 11, posted
        report = waferctl_json("ledger", "verify", "--store", database.url, "--json")
        assert report["differences"] == [] and report["losses"] == 0


def test_a_copy_from_before_is_named_at_the_start_and_by_verify_and_no_id_comes_again(tmp_path):
    with Sqlite() as database:
        path, owner = priced(tmp_path, database), database.path.with_name("usage.db.owner")
        ids = []
        for start in range(4):
            with Waferd(path) as server:
                ids.append(ask(server.http, 1, False, 5)["id"])
                assert ("does not know the last server that used it (epoch 2)" in server.log()) == (start == 2), server.log()
                assert server.stop() == 0
            if start == 0:
                older = database.path.read_bytes()
            elif start == 1:
                database.path.write_bytes(older)
        assert ids == ["1.1.0", "2.1.0", "3.1.0", "4.1.0"]
        report = waferctl_json("ledger", "verify", "--store", database.url, "--json")
        assert report["losses"] == 1 and report["differences"] == [] and report["posted"] == 3
        assert "had lost what its last server recorded 1 times" in waferctl("ledger", "verify", "--store", database.url).stdout
        owner.write_text("1 9223372036854775807 ")
        with Waferd(path) as server:
            assert "usage.db.owner holds no epoch (a number below 1000000000) but '1 9223372036854775807 ': it was damaged" in server.log()
            assert ask(server.http, 1, False, 5)["id"] == "5.1.0"


@pytest.mark.parametrize("how", ["cut", "written in place"])
def test_a_database_file_that_is_cut_or_written_in_place_is_noticed_and_no_id_comes_again(tmp_path, how):
    ids = []
    with Sqlite() as database:
        path = config(tmp_path, database, patience=1000)
        with pytest.raises(RuntimeError, match="ended with -9"), Waferd(path) as server:
            ids.append(ask(server.http, 1, False, 5)["id"])
            whole = database.path.read_bytes()
            database.path.write_bytes(b"" if how == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
            for said in refusal(server):
                assert "was cut or written to by another program" in said
            server.process.kill()
            server.process.wait()
        for end in ("", "-wal", "-shm"):
            database.path.with_name(database.path.name + end).unlink(missing_ok=True)
        with Waferd(path) as server:  # a database from the beginning
            ids.append(ask(server.http, 1, False, 5)["id"])
    assert ids == ["1.1.0", "2.1.0"]
