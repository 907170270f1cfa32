"""Usage records of a real waferd: exactly once through SIGKILL at random instants, a locked file, a database that restarts.

WAFERLINE_KILLS=200 kills that often for each database (few without it); WAFERLINE_SEED repeats a run's choices."""

import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request

import pytest

from batches import call, ended, rows, upload
from cloud import BIN, ROOT, Waferd, get, waferctl_json
from postgres import Postgres, Sqlite, programs

KILLS = int(os.environ.get("WAFERLINE_KILLS", "4"))
SEED = int(os.environ.get("WAFERLINE_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
CONFIG = """
clock: {{kind: real, scale: 4}}
billing: {{store: "{url}", store_patience_ms: {patience}{more}}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 2048
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{name: wafer, hardware: wse-3, profile: vendor-2024}}]
    link: {{bytes_per_second: 5.0e+10, latency_us: 10}}
    tokens: {{from: cheap, file: {model}}}
"""


PRICES = """
currency: USD
versions: [{effective: 2026-01-01T00:00:00Z, models: [{name: m, input: "0.1", cached_input: "0.05", output: "0.3", tiers: {batch: "0.5"}}]}]
"""


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    if request.param == "postgres" and programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() if request.param == "postgres" else Sqlite() as one:
        yield one


def config(folder, database, patience=5000, more=""):
    path = folder / "billing.yaml"
    path.write_text(CONFIG.format(url=database.url, patience=patience, more=more, model=ROOT / "deploy/models/demo.gguf"))
    return path


def ask(http_url, n, stream, max_tokens):
    """One answer: {"id", "status", "usage" once its end was seen, "error"}."""
    seen = {"n": n}
    connection = http.client.HTTPConnection(http_url.removeprefix("http://"), timeout=30)
    try:
        body = {"model": "m", "prompt": "Once upon a time", "max_tokens": max_tokens, "n": n, "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        seen["status"] = reply.status
        seen["id"] = reply.getheader("x-waferline-usage-id")
        if not stream or reply.status != 200:
            document = json.loads(reply.read())
            seen["error"] = document.get("error")
            if "usage" in document:
                seen["usage"] = document["usage"]
            return seen
        usage = None
        for line in reply:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                usage = event.get("usage") or usage
                seen["error"] = event.get("error") or seen.get("error")
            elif line.startswith(b"data: [DONE]") and usage is not None:
                seen["usage"] = usage
    except (OSError, http.client.HTTPException, ValueError):
        pass  # the server was killed
    finally:
        connection.close()
    return seen


class Load:
    """Clients that ask until stopped; `answers` is what they saw."""

    def __init__(self, url, clients, seed):
        self.url, self.answers, self.stopping = url, [], False
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}-{i}"),)) for i in range(clients)]

    def run(self, rng):
        while not self.stopping:
            self.answers.append(ask(self.url, rng.choice([1, 1, 3]), rng.random() < 0.5, rng.choice([1, 5, 40])))
            if "status" not in self.answers[-1]:
                time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
        return False


LINES = 12


def order_batch(server, rng):
    """A batch of LINES lines."""
    body = [{"custom_id": str(i), "method": "POST", "url": "/v1/completions",
             "body": {"model": "m", "prompt": "Once upon a time", "max_tokens": rng.choice([1, 5, 40]), "n": rng.choice([1, 1, 3])}}
            for i in range(LINES)]
    file = upload(server, "".join(json.dumps(line) + "\n" for line in body))[1]
    status, batch = call(server, "POST", "/v1/batches", {"input_file_id": file["id"], "endpoint": "/v1/completions", "completion_window": "24h"})
    assert status == 200, batch


def batches_at_rest(server):
    """All batches, once they have ended."""
    deadline = time.monotonic() + 300
    while True:
        batches, after = [], ""
        while True:
            page = call(server, "GET", "/v1/batches?limit=100" + after)[1]
            batches += page["data"]
            if not page["has_more"]:
                break
            after = "&after=" + page["last_id"]
        if all(ended(batch) for batch in batches):
            return batches
        assert time.monotonic() < deadline, [batch for batch in batches if not ended(batch)]
        time.sleep(0.1)


def check_batches(database, server):
    """The law: each line of each output file has one posted record a choice, with its counts, and no other line was charged."""
    batches = batches_at_rest(server)
    charged = {}
    for epoch, ordinal, *counts in database.rows("SELECT epoch, ordinal, prompt, cached, generated FROM usage WHERE tier = 'batch' AND "
                                                 "status = 'posted'"):
        charged.setdefault((epoch, ordinal), []).append([int(count) for count in counts])
    lines = 0
    for batch in batches:
        assert batch["status"] == "completed" and batch["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}, batch
        answers = rows(server, batch["output_file_id"])
        assert [row["custom_id"] for row in answers] == [str(i) for i in range(LINES)]
        for row in answers:
            body = row["response"]["body"]
            epoch, ordinal, _ = body["usage"]["usage_id"].split(".")
            records = charged.pop((epoch, ordinal))
            assert len(records) == len(body["choices"]), row
            usage = body["usage"]
            assert [sum(record[i] for record in records) for i in range(3)] == [
                usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"], usage["completion_tokens"]], (row, records)
            lines += 1
    assert not charged, "lines were charged that no output has"
    return len(batches), lines


def check_records(database, answers):
    """The law: what a client saw the end of has one posted record a choice, with its counts."""
    rows = database.rows("SELECT epoch, ordinal, choice, status, prompt, cached, generated FROM usage")
    by_request = {}
    for epoch, ordinal, choice, status, *counts in rows:
        choices = by_request.setdefault((epoch, ordinal), {})
        assert choice not in choices, "an id appears twice"
        choices[choice] = (status, *map(int, counts))
    ended = [answer for answer in answers if "usage" in answer]
    ids = [answer["id"] for answer in answers if answer.get("id")]
    assert len(ids) == len(set(ids)), "two answers have one usage id"
    for answer in ended:
        epoch, ordinal, first = answer["id"].split(".")
        assert first == "0" and answer["usage"]["usage_id"] == answer["id"]
        choices = by_request[(epoch, ordinal)]
        assert sorted(choices) == [str(i) for i in range(answer["n"])], answer
        assert all(choice[0] == "posted" for choice in choices.values()), answer
        prompt, cached, generated = (sum(choice[i] for choice in choices.values()) for i in (1, 2, 3))
        usage = answer["usage"]
        assert generated == usage["completion_tokens"] and prompt == usage["prompt_tokens"], (answer, choices)
        assert cached == usage["prompt_tokens_details"]["cached_tokens"]
    statuses = [row[3] for row in rows]
    assert set(statuses) <= {"posted", "interrupted"}
    sums = "COALESCE(SUM(prompt), 0), COALESCE(SUM(cached), 0), COALESCE(SUM(generated), 0)"
    posted = database.rows(f"SELECT COUNT(*), {sums} FROM usage WHERE status = 'posted'")
    hours = database.rows(f"SELECT COALESCE(SUM(requests), 0), {sums} FROM usage_hour")
    assert posted == hours
    return len(ended), statuses.count("posted"), statuses.count("interrupted")


def test_each_end_that_a_client_saw_has_one_record_through_kills(database, tmp_path):
    print(f"seed {SEED}")
    rng, answers = random.Random(SEED), []
    (tmp_path / "prices.yaml").write_text(PRICES)
    path = config(tmp_path, database, more=", prices: ./prices.yaml")
    for kill in range(KILLS):
        server = Waferd(path)
        server.__enter__()
        with Load(server.http, 8, f"{SEED}-{kill}") as load:
            order_batch(server, rng)
            time.sleep(rng.uniform(0.02, 0.6))
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(30)
            load.stopping = True
        server.folder.cleanup()
        answers += load.answers
    with Waferd(path) as server:
        with Load(server.http, 8, f"{SEED}-last") as load:
            time.sleep(0.5)
        assert all("usage" in answer for answer in load.answers)
        order_batch(server, rng)
        batches, lines = check_batches(database, server)
    answers += load.answers
    seen, posted, interrupted = check_records(database, answers)
    print(f"{KILLS} kills: {len(answers)} answers begun, {seen} ends seen, {posted} records posted, {interrupted} interrupted; "
          f"{batches} batches with {lines} lines")
    assert seen > 0 and batches == KILLS + 1 and posted > (seen + lines) * 0.9
    report = waferctl_json("ledger", "verify", "--store", database.url, "--json")
    assert report["differences"] == [] and report["posted"] == posted and report["duplicates"] == 0, report
    epochs = database.rows("SELECT COUNT(*), SUM(CASE WHEN ended_us = 0 THEN 1 ELSE 0 END) FROM epoch")
    assert epochs == [[str(KILLS + 1), "0"]]


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
  '/v1/completions', 'r', 1790000000000000, 1790000001000000, 5, 0, 7, 3, 500000, 0);
INSERT INTO account(tenant, period, spent_micro, spent_pico, held_micro) VALUES('acme', 202609, 3, 500000, 0), ('acme', 0, 3, 500000, 0);
"""


@pytest.mark.parametrize("version", [1, 4])
def test_a_database_of_an_older_version_is_brought_up_to_date_and_keeps_its_rows(database, tmp_path, version):
    steps = re.findall(r'R"\((.*?)\)"', (ROOT / "server/store/schema.cc").read_text(), re.S)
    script = "".join(steps[:version]) + OLD_ROWS + f"""
        CREATE TABLE schema_version(version BIGINT NOT NULL); INSERT INTO schema_version(version) VALUES({version});"""
    for name, text in DIALECTS[type(database).__name__].items():
        script = script.replace(name, text)
    database.run(script)
    with Waferd(config(tmp_path, database)) as server:
        assert database.rows("SELECT version FROM schema_version") == [[str(len(steps))]]
        assert database.rows("SELECT position, prompt, generated, charge_micro FROM usage") == [["1", "5", "7", "3"]]
        assert database.rows("SELECT tenant, id, name FROM project") == [["acme", "search", "search"]]
        assert database.rows("SELECT project, period, spent_micro, spent_pico, held_micro FROM account ORDER BY project, period") == [
            ["", "0", "3", "500000", "0"], ["", "202609", "3", "500000", "0"], ["search", "202609", "3", "500000", "0"]]
        request = urllib.request.Request(server.http + "/v1/completions", json.dumps({"model": "m", "prompt": "Once", "max_tokens": 3}).encode(),
                                         {"content-type": "application/json", "authorization": "Bearer old-key"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert json.load(reply)["usage"]["usage_id"] == "2.1.0"
        assert database.rows("SELECT project, api_key FROM usage WHERE epoch = 2") == [["search", "key_1"]]


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
