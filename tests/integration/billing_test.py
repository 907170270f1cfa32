"""How a waferd starts with a usage database: an older one, one that is taken, none, one that its configuration names wrongly."""

import hashlib
import json
import re
import signal
import subprocess
import time
import urllib.request

import pytest

from cloud import BIN, ROOT, Waferd
from postgres import Sqlite, database  # noqa: F401 (a fixture)
from usage_load import ask, config

# What server/store/schema.cc puts in the place of these, SQLite's and PostgreSQL's.
DIALECTS = {"Sqlite": {"{serial}": "INTEGER PRIMARY KEY AUTOINCREMENT", "{by_key}": " WITHOUT ROWID", "{by_time}": "(ended_us)"},
            "Postgres": {"{serial}": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "{by_key}": "", "{by_time}": " USING brin(ended_us)"}}
OLD_ROWS = f"""
INSERT INTO tenant(name, created_us, disabled_us) VALUES('acme', 1, 0);
INSERT INTO api_key(id, digest, prefix, tenant, project, admin, read_usage, models, origin, created_us, expires_us, revoked_us)
  VALUES('key_1', '{hashlib.sha256(b"old-key").hexdigest()}', 'old-key', 'acme', 'search', 0, 0, '', '', 1, 0, 0);
INSERT INTO epoch(host, started_us, ended_us) VALUES('there', 1, 2);
INSERT INTO usage(epoch, ordinal, choice, status, reason, tenant, project, api_key, model, tier, endpoint, request_id, admitted_us, ended_us,
  prompt, cached, generated, charge_micro, charge_pico, hold_micro) VALUES(1, 1, 0, 'posted', 'stop', 'acme', 'search', 'key_1', 'm', 'default',
  '/v1/completions', 'r', 1790000000000000, 1790000001000000, 5, 0, 7, 3, 500000, 0),
  (1, 1, 1, 'posted', 'stop', 'acme', 'search', 'key_1', 'm', 'default', '/v1/completions', 'r', 1790000000000000, 1790000001000000, 0, 0, 2, 0, 0, 0);
INSERT INTO usage_hour(hour_us, tenant, project, api_key, model, tier, requests, prompt, cached, generated, charge_micro, charge_pico)
  VALUES(1789999200000000, 'acme', 'search', 'key_1', 'm', 'default', 2, 5, 0, 9, 3, 500000);
INSERT INTO account(tenant, period, spent_micro, spent_pico, held_micro) VALUES('acme', 202609, 3, 500000, 0), ('acme', 0, 3, 500000, 0);
"""
OLD_ENTRIES = """
INSERT INTO entry(transfer, line, account, micro, pico, at_us) VALUES('topup:acme:1', 0, 'cash', 5000000, 0, 1),
  ('topup:acme:1', 1, 'tenant:acme:prepaid', -5000000, 0, 1), ('usage:1.1.0', 0, 'tenant:acme:prepaid', 3, 500000, 1),
  ('usage:1.1.0', 1, 'revenue:m:output', -4, 500000, 1);
"""


def old_database(database, version, rows):
    """Makes one of that schema version; the newest version."""
    steps = re.findall(r'R"\((.*?)\)"', (ROOT / "server/store/schema.cc").read_text(), re.S)
    script = "".join(steps[:version]) + rows + f"""
        CREATE TABLE schema_version(version BIGINT NOT NULL); INSERT INTO schema_version(version) VALUES({version});"""
    for name, text in DIALECTS[type(database).__name__].items():
        script = script.replace(name, text)
    database.run(script)
    return str(len(steps))


@pytest.mark.parametrize("version", [1, 4])
def test_a_database_of_an_older_version_is_brought_up_to_date_and_keeps_its_rows(database, tmp_path, version):
    newest = old_database(database, version, OLD_ROWS + (OLD_ENTRIES if version >= 2 else ""))
    with Waferd(config(tmp_path, database)) as server:
        assert database.rows("SELECT version FROM schema_version") == [[newest]]
        assert database.rows("SELECT position, prompt, generated, charge_micro FROM usage ORDER BY choice") == [["1", "5", "7", "3"], ["2", "0", "2", "0"]]
        assert database.rows("SELECT requests, records FROM usage_hour WHERE hour_us = 1789999200000000") == [["1", "2"]]
        assert database.rows("SELECT tenant, id, name FROM project") == [["acme", "search", "search"]]
        assert database.rows("SELECT project, period, spent_micro, spent_pico, held_micro FROM account ORDER BY project, period") == [
            ["", "0", *(["-4999997", "500000"] if version >= 2 else ["0", "0"]), "0"], ["", "202609", "3", "500000", "0"], ["search", "202609", "3", "500000", "0"]]
        request = urllib.request.Request(server.http + "/v1/completions", json.dumps({"model": "m", "prompt": "Once", "max_tokens": 3}).encode(),
                                         {"content-type": "application/json", "authorization": "Bearer old-key"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert json.load(reply)["usage"]["usage_id"] == "2.1.0"
        assert database.rows("SELECT project, api_key FROM usage WHERE epoch = 2") == [["search", "key_1"]]


def test_a_signal_ends_a_server_that_brings_a_database_up_to_date(tmp_path):
    many = OLD_ROWS + """INSERT INTO usage(epoch, ordinal, choice, status, reason, tenant, project, api_key, model, tier, endpoint, request_id, admitted_us,
      ended_us, prompt, cached, generated, charge_micro, charge_pico, hold_micro) WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
      SELECT 1, i, 0, status, reason, tenant, project, api_key, model, tier, endpoint, request_id, admitted_us + i * 1000000, ended_us + i * 1000000,
      prompt, cached, generated, charge_micro, charge_pico, hold_micro FROM n, usage WHERE ordinal = 1 AND choice = 0;"""
    with Sqlite() as database:
        newest = old_database(database, 1, many)
        server = Waferd(config(tmp_path, database))
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(server.command, stdout=log, stderr=log)
        wal = database.path.with_name("usage.db-wal")
        while not wal.exists() or wal.stat().st_size < 1 << 20:  # it is at it
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert "before it was ready" in (tmp_path / "log").read_text() and not server.port_file.exists()
        assert database.rows("SELECT version FROM schema_version") == [["1"]]
        with Waferd(config(tmp_path, database)):
            assert database.rows("SELECT version FROM schema_version") == [[newest]]
            assert database.rows("SELECT COUNT(*) FROM usage WHERE position > 0") == [["400001"]]


def test_two_servers_on_one_file_are_refused_by_name(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database)) as server:
        with pytest.raises(RuntimeError, match=rf"open in another server \(pid {server.pid}\)"):
            Waferd(config(tmp_path, database)).__enter__()


def test_without_a_database_answers_have_no_usage_id(tmp_path):
    path = config(tmp_path, Sqlite())
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("billing")))
    with Waferd(path) as server:
        answer = ask(server.http, 1, False, 5)
        assert answer["id"] is None and "usage_id" not in answer["usage"]
    with Waferd(path, "--state-dir", str(tmp_path / "state")) as server:
        assert ask(server.http, 1, False, 5)["usage"]["usage_id"] == "1.1.0"
    assert (tmp_path / "state/usage.db").exists()


@pytest.mark.parametrize("billing, says", [
    ("{prices: demo}", "billing.store: is missing"),
    ("{store: 'sqlite:/nowhere/at/all/usage.db'}", "billing.store: there is no folder /nowhere/at/all"),
    ("{store: 'sqlite:/tmp'}", "billing.store: /tmp is a folder"),
    ("{store: 'sqlite:usage.db', prices: ./none.yaml}", "billing.prices: "),
    ("{store: 'mysql://x'}", "billing.store: must be sqlite:PATH or postgresql://"),
])
def test_a_configuration_check_names_what_keeps_records_from_being_kept(tmp_path, billing, says):
    path = config(tmp_path, Sqlite())
    path.write_text(re.sub(r"billing: .*", f"billing: {billing}", path.read_text()))
    done = subprocess.run([BIN / "waferd", "--config", path, "--check-config"], capture_output=True, text=True)
    assert done.returncode != 0 and says in done.stderr, done.stderr
    if "prices: demo" in billing:
        assert subprocess.run([BIN / "waferd", "--config", path, "--check-config", "--state-dir", tmp_path / "made"]).returncode == 0
        assert not (tmp_path / "made").exists()
