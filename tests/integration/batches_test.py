"""/v1/files and /v1/batches of a real waferd: lines run as requests do, for half the price, and a batch goes on after waferd is killed."""

import json
import time

import pytest

from batches import call, ended, rows, upload
from cloud import ROOT, Waferd
from postgres import Postgres, Sqlite, programs

PRICES = """
currency: USD
versions:
  - effective: 2026-01-01T00:00:00Z
    models: [{name: "*", input: "1", output: "2", tiers: {batch: "0.5"}}]
"""
CONFIG = """
clock: {{kind: real, scale: {scale}}}
{more}
billing: {{store: "{url}", prices: ./prices.yaml}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 2048
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: cheap, file: {model}}}
"""
CHAT = "/v1/chat/completions"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    if request.param == "postgres" and programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() if request.param == "postgres" else Sqlite() as one:
        yield one


def config(folder, url, more="", scale=100):
    (folder / "prices.yaml").write_text(PRICES)
    path = folder / "batches.yaml"
    path.write_text(CONFIG.format(url=url, more=more, scale=scale, model=ROOT / "deploy/models/demo.gguf"))
    return path


def lines(count, url=CHAT, **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 8, **fields}
    return "".join(json.dumps({"custom_id": f"c{i}", "method": "POST", "url": url, "body": {**body, "seed": i}}) + "\n" for i in range(1, count + 1))


def start(server, text, key=None, **fields):
    code, file = upload(server, text, key=key)
    assert code == 200, file
    order = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", **fields}
    code, batch = call(server, "POST", "/v1/batches", order, key)
    assert code == 200, batch
    assert batch["status"] == "validating" and batch["object"] == "batch"
    return batch


def wait_for(server, batch, done, key=None):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        code, now = call(server, "GET", "/v1/batches/" + batch["id"], key=key)
        assert code == 200, now
        if done(now):
            return now
        time.sleep(0.02)
    raise AssertionError(now)


def test_lines_run_as_requests_do_for_half_the_price(database, tmp_path):
    more = "api_keys: [{key: root, tenant: operators, may_operate: true}, {key: k, tenant: t}, {key: other, tenant: u}]"
    with Waferd(config(tmp_path, database.url, more)) as server:
        began = int(time.time())
        bad = json.dumps({"custom_id": "late", "method": "POST", "url": CHAT, "body": {"model": "no-such", "messages": []}}) + "\n{broken\n"
        batch = start(server, lines(12) + bad, "k", metadata={"job": "nightly"})
        done = wait_for(server, batch, ended, "k")
        assert done["status"] == "completed" and done["metadata"] == {"job": "nightly"}
        assert done["request_counts"] == {"total": 14, "completed": 12, "failed": 2}
        answers = rows(server, done["output_file_id"], "k")
        assert [row["custom_id"] for row in answers] == [f"c{i}" for i in range(1, 13)]
        # The same answer as the same request's, and half its price.
        body = json.loads(lines(3).splitlines()[2])["body"]
        alone = call(server, "POST", CHAT, body, "k")[1]
        inside = answers[2]["response"]
        assert inside["status_code"] == 200 and inside["request_id"]
        for answer in (inside["body"], alone):
            assert answer["usage"].pop("usage_id")
        assert inside["body"]["choices"] == alone["choices"] and inside["body"]["usage"] == alone["usage"]
        missing, broken = rows(server, done["error_file_id"], "k")
        assert missing["response"]["status_code"] == 404 and missing["response"]["body"]["error"]["code"] == "model_not_found"
        assert broken["line"] == 14 and broken["error"]["message"].startswith("line 14: is not a JSON object")
        assert done["errors"]["data"][0]["line"] == 14
        # Others see none of it.
        assert call(server, "GET", "/v1/batches/" + batch["id"], key="other")[0] == 404
        assert call(server, "GET", "/v1/files", key="other")[1]["data"] == []
        assert call(server, "GET", f"/v1/files/{done['output_file_id']}/content", key="other")[0] == 404
        charges = {row[0]: int(row[1]) for row in database.rows(
            "SELECT tier, SUM(charge_micro * 1000000 + charge_pico) FROM usage WHERE tenant = 't' GROUP BY tier")}
        tokens = {row[0]: int(row[1]) for row in database.rows(
            "SELECT tier, SUM(prompt + 2 * generated) FROM usage WHERE tenant = 't' AND reason != '' GROUP BY tier")}
        assert charges["default"] == tokens["default"] * 1_000_000 and charges["batch"] == tokens["batch"] * 500_000
        # The usage says which of it was a batch's.
        def usage(query):
            code, page = call(server, "GET", f"/v1/organization/usage/completions?start_time={began}&tenants=t&" + query, key="root")
            assert code == 200, page
            return {r["batch"]: r["num_model_requests"] for bucket in page["data"] for r in bucket["results"]}
        assert usage("group_by=batch") == {True: 12, False: 1} and usage("batch=true") == {None: 12}
        assert call(server, "GET", f"/v1/organization/usage/completions?start_time={began}&batch=yes", key="root")[0] == 400


def test_a_batch_goes_on_after_a_kill(database, tmp_path):
    path = config(tmp_path, database.url, "limits: {batch_lines: 2}", scale=1)
    with Waferd(path) as server:
        batch = start(server, lines(40, max_tokens=200, ignore_eos=True))
        before = wait_for(server, batch, lambda now: now["request_counts"]["completed"] >= 3)
        assert before["status"] == "in_progress"
        server.process.kill()
        server.process.wait()
        server.process.returncode = 0
    with Waferd(config(tmp_path, database.url, scale=1)) as server:
        done = wait_for(server, batch, ended)
        assert done["status"] == "completed" and done["request_counts"] == {"total": 40, "completed": 40, "failed": 0}
        assert [row["custom_id"] for row in rows(server, done["output_file_id"])] == [f"c{i}" for i in range(1, 41)]
        assert call(server, "GET", "/v1/files/" + batch["input_file_id"])[0] == 200


def test_a_batch_can_be_cancelled(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database.url, "limits: {batch_lines: 1}", scale=1)) as server:
        batch = start(server, lines(500, max_tokens=100, ignore_eos=True))
        wait_for(server, batch, lambda now: now["request_counts"]["completed"] >= 1)
        code, now = call(server, "POST", f"/v1/batches/{batch['id']}/cancel")
        assert code == 200 and now["status"] in ("cancelling", "cancelled")
        done = wait_for(server, batch, ended)
        counts = done["request_counts"]
        assert done["status"] == "cancelled" and 1 <= counts["completed"] < 500
        assert len(rows(server, done["output_file_id"])) == counts["completed"]
        other = wait_for(server, start(server, lines(2)), ended)
        code, error = call(server, "POST", f"/v1/batches/{other['id']}/cancel")
        assert code == 400 and "is completed and cannot be cancelled" in error["error"]["message"]


def test_a_tenants_budget_bounds_its_batches(tmp_path):
    more = "api_keys: [{key: k, tenant: t, requests_per_day: 3}]"
    with Sqlite() as database, Waferd(config(tmp_path, database.url, more)) as server:
        batch = start(server, lines(6), "k")
        now = wait_for(server, batch, lambda now: now["request_counts"]["completed"] + now["request_counts"]["failed"] >= 3, "k")
        time.sleep(0.2)
        now = call(server, "GET", "/v1/batches/" + batch["id"], key="k")[1]
        assert now["request_counts"]["completed"] == 3, now


def test_what_is_wrong_is_said_by_name(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database.url, "limits: {body_bytes: 4096}")) as server:
        def refused(answer, code, *words):
            assert answer[0] == code and all(word in json.dumps(answer[1]["error"]) for word in words), answer
        refused(upload(server, "x", purpose="fine-tune"), 400, "purpose", "batch")
        refused(upload(server, b"\xff"), 400, "UTF-8")
        refused(upload(server, b"a\0b"), 400, "UTF-8")
        refused(upload(server, "x", fields=[("expires_after[seconds]", "9")]), 400, "expires_after[seconds]")
        refused(upload(server, "x" * 5000), 413, "4096")
        refused(call(server, "POST", "/v1/files", {"purpose": "batch"}), 400, "multipart/form-data")
        refused(call(server, "POST", "/v1/files", b"--x", None, "multipart/form-data; boundary=x"), 400, "boundary")
        refused(call(server, "POST", "/v1/batches", b"--x", None, "multipart/form-data; boundary=x"), 415, "multipart")
        order = {"input_file_id": "file-0", "endpoint": CHAT, "completion_window": "24h"}
        refused(call(server, "POST", "/v1/batches", order), 404, "file-0")
        refused(call(server, "POST", "/v1/batches", {**order, "endpoint": "/v1/images"}), 400, "endpoint", CHAT)
        refused(call(server, "POST", "/v1/batches", {**order, "completion_window": "1h"}), 400, "completion_window", "24h")
        refused(call(server, "POST", "/v1/batches", {**order, "metadata": {"a": 1}}), 400, "metadata")
        refused(call(server, "POST", "/v1/batches", {**order, "output_expires_after": {}}), 400, "output_expires_after")
        refused(call(server, "GET", "/v1/batches?limit=0"), 400, "limit")
        refused(call(server, "GET", "/v1/files?colour=red"), 400, "colour")
        refused(call(server, "GET", "/v1/files?after=file-0"), 404, "file-0")
        for path in ("/v1/files/file-0", "/v1/files/file-0/content", "/v1/batches/batch_0"):
            refused(call(server, "GET", path), 404, "there is no")
        batch = wait_for(server, start(server, "\n\n"), ended)
        assert batch["status"] == "failed" and "no lines" in batch["errors"]["data"][0]["message"]
        stream = wait_for(server, start(server, lines(1, stream=True)), ended)
        [row] = rows(server, stream["error_file_id"])
        assert row["custom_id"] == "c1" and "body.stream" in row["error"]["message"]
        tier = wait_for(server, start(server, lines(1, service_tier="priority")), ended)
        [row] = rows(server, tier["error_file_id"])
        assert row["response"]["body"]["error"]["param"] == "service_tier"


def test_without_a_database_files_are_refused_by_name():
    with Waferd("deploy/config/demo.yaml") as server:
        for answer in (upload(server, "x"), call(server, "GET", "/v1/batches"), call(server, "GET", "/v1/files/x/content")):
            assert answer[0] == 400 and "--state-dir" in answer[1]["error"]["message"]
