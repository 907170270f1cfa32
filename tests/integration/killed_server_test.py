"""Usage records of a real waferd, exactly once through SIGKILL at random instants: of answers, and of batches that are under way.

WAFERLINE_KILLS=200 kills that often for each database (few without it); WAFERLINE_SEED repeats a run's choices."""

import json
import os
import random
import signal
import time

from batches import call, ended, rows, upload
from cloud import Waferd, waferctl_json
from postgres import database  # noqa: F401 (a fixture)
from usage_load import SEED, Load, check_records, config

KILLS = int(os.environ.get("WAFERLINE_KILLS", "4"))
PRICES = """
currency: USD
versions: [{effective: 2026-01-01T00:00:00Z, models: [{name: m, input: "0.1", cached_input: "0.05", output: "0.3", tiers: {batch: "0.5"}}]}]
"""
LINES = 12


def order_batch(server, rng):
    """A batch of LINES lines; 0: too many wait, for servers that died and whose leases have not ended yet."""
    body = [{"custom_id": str(i), "method": "POST", "url": "/v1/completions",
             "body": {"model": "m", "prompt": "Once upon a time", "max_tokens": rng.choice([1, 5, 40]), "n": rng.choice([1, 1, 3])}}
            for i in range(LINES)]
    file = upload(server, "".join(json.dumps(line) + "\n" for line in body))[1]
    status, batch = call(server, "POST", "/v1/batches", {"input_file_id": file["id"], "endpoint": "/v1/completions", "completion_window": "24h"})
    if status == 400 and "may wait at once" in batch["error"]["message"]:
        return 0
    assert status == 200, batch
    return 1


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


def test_each_end_that_a_client_saw_has_one_record_through_kills(database, tmp_path):
    print(f"seed {SEED}")
    rng, answers, ordered = random.Random(SEED), [], 0
    (tmp_path / "prices.yaml").write_text(PRICES)
    path = config(tmp_path, database, more=", prices: ./prices.yaml")
    for kill in range(KILLS):
        server = Waferd(path)
        server.__enter__()
        with Load(server.http, 8, f"{SEED}-{kill}") as load:
            ordered += order_batch(server, rng)
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
        ordered += order_batch(server, rng)
        batches, lines = check_batches(database, server)
    answers += load.answers
    seen, posted, interrupted = check_records(database, answers)
    print(f"{KILLS} kills: {len(answers)} answers begun, {seen} ends seen, {posted} records posted, {interrupted} interrupted; "
          f"{batches} batches with {lines} lines")
    assert seen > 0 and batches == ordered and posted > (seen + lines) * 0.9
    report = waferctl_json("ledger", "verify", "--store", database.url, "--json")
    assert report["differences"] == [] and report["posted"] == posted and report["duplicates"] == 0, report
    epochs = database.rows("SELECT COUNT(*), SUM(CASE WHEN ended_us = 0 THEN 1 ELSE 0 END) FROM epoch")
    assert epochs == [[str(KILLS + 1), "0"]]
