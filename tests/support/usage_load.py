"""Clients of a server with a usage database: what they saw of answers, and the law that binds it to the records."""

import http.client
import json
import os
import random
import threading
import time

from cloud import ROOT

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
    hours = database.rows(f"SELECT COALESCE(SUM(records), 0), {sums} FROM usage_hour")
    assert posted == hours
    return len(ended), statuses.count("posted"), statuses.count("interrupted")
