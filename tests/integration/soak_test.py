"""The same mixed load for a long time: memory, descriptors and gauges at the end are what they were after the first quarter.

    WAFERLINE_SOAK_SECONDS=86400 python3 -m pytest -q tests/integration/soak_test.py

Without the variable it runs for 20 s, which shows that the test works and little else.
"""

import http.client
import itertools
import json
import os
import random
import threading
import time

from cloud import Metrics, Waferd, sanitized, waferctl

SECONDS = float(os.environ.get("WAFERLINE_SOAK_SECONDS", "20"))
CLIENTS = 4
MAX_GROWTH_MIB = 48  # of anonymous memory, from the first quarter to the end
MODELS = ("waferline-demo", "llama-3.1-8b")


def one_request(server, dice):
    """A stream, a document, one that is hung up on, one that is wrong, or a scrape."""
    kind = dice.choice(("stream", "document", "hang up", "wrong", "scrape", "choices"))
    connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=60)
    try:
        if kind == "scrape":
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            return
        body = {"model": dice.choice(MODELS), "prompt": "Once " * dice.randint(1, 60), "max_tokens": dice.randint(1, 60),
                "stream": kind in ("stream", "hang up")}
        if kind == "choices":
            body.update(n=4, logprobs=3)
        if kind == "wrong":
            body["temperature"] = "hot"
        connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        if kind == "hang up":
            reply.read(10)
            return
        reply.read()
        assert reply.status == (400 if kind == "wrong" else 200), reply.status
    finally:
        connection.close()


def anonymous_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


def test_nothing_grows_under_a_steady_load():
    with Waferd("deploy/config/demo.yaml") as server:
        over = threading.Event()
        failures = []

        def work(seed):
            dice = random.Random(seed)
            for number in itertools.count():
                if over.is_set():
                    return
                try:
                    if number % 50 == 49:
                        waferctl("complete", "Once", "--server", server.doors["grpc"], "--max-tokens", "8")
                    one_request(server, dice)
                except Exception as failure:  # pylint: disable=broad-except
                    failures.append(f"seed {seed}, request {number}: {failure!r}")
                    over.set()

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        over.wait(SECONDS / 4)
        early = anonymous_mib(server.pid)
        over.wait(SECONDS * 3 / 4)
        late = anonymous_mib(server.pid)
        over.set()
        for thread in threads:
            thread.join(60)
        assert not failures, failures
        end = time.monotonic() + 20
        while True:
            metrics = Metrics(server.http)
            held = [metrics.sum(name) for name in ("waferline_requests_in_flight", "waferline_host_grpc_connections")]
            if not any(held):
                break
            assert time.monotonic() < end, held
            time.sleep(0.2)
        descriptors = len(os.listdir(f"/proc/{server.pid}/fd"))
        print(f"{SECONDS:.0f} s, {metrics.sum('waferline_requests_finished_total'):.0f} requests: anonymous memory {early:.1f} to {late:.1f} MiB, "
              f"{descriptors} descriptors, requests in flight and gRPC connections at the end {held}")
        assert descriptors < 64
        assert sanitized() or late - early < MAX_GROWTH_MIB, f"{early:.0f} to {late:.0f} MiB"
