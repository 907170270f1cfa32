"""64 streams at once, a third of them cut off at random: nothing leaks, and the others are complete and right.

Right: with a fixed seed each surviving stream's text is what the same request gives alone, afterwards. Nothing leaks: slots, KV bytes
in the emulated SRAM and in the shards that compute, sequences and file descriptors are back where they were before.
"""

import http.client
import json
import os
import random
import sys
import threading
import time
import urllib.request

from waferd import Waferd

STREAMS = 64
SEED = 20
TOKENS = 48
GAUGES = ("waferline_requests_in_flight", "waferline_unit_sequences", "waferline_compute_sequences",
          "waferline_compute_shard_kv_bytes", "waferline_compute_prefill_kv_bytes", 'waferline_kv_pages{model_name="waferline-demo",owner="sequences"')


def request(number):
    return {"model": "waferline-demo", "prompt": f"Once there was a baker, number {number}, who", "max_tokens": TOKENS,
            "temperature": 0.8, "seed": number, "stream": True, "ignore_eos": True}


def stream(server, number, tokens_before_leaving=None):
    """The text of a stream, or None if the client left after so many chunks."""
    host = server.http.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("POST", "/v1/completions", json.dumps(request(number)), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    text, chunks = "", 0
    try:
        while True:
            line = response.readline().decode().strip()
            if line == "data: [DONE]":
                return text
            if not line.startswith("data: "):
                assert line == "" or line.startswith(":"), line
                continue
            chunk = json.loads(line[6:])
            assert "error" not in chunk, chunk
            text += "".join(choice["text"] for choice in chunk["choices"])
            chunks += 1
            if tokens_before_leaving is not None and chunks > tokens_before_leaving:
                return None
    finally:
        connection.close()


def metrics(server):
    text = urllib.request.urlopen(server.http + "/metrics", timeout=10).read().decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
            if line and not line.startswith("#")}


def held(server):
    return {name: value for name, value in metrics(server).items() if name.startswith(GAUGES)}


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def settle(look, wanted, seconds=20):
    deadline = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


def main():
    with Waferd("deploy/config/demo.yaml") as server:
        stream(server, 0)  # whatever is made once is made now
        nothing = dict.fromkeys(held(server), 0.0)
        held_before = settle(lambda: held(server), nothing)
        assert nothing and held_before == nothing, held_before
        open_before = descriptors(server)

        chance = random.Random(SEED)
        leaving = {n: chance.randrange(0, 20) for n in range(STREAMS) if chance.random() < 1 / 3}
        texts = {}

        def run(number):
            texts[number] = stream(server, number, leaving.get(number))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(texts) == STREAMS, f"seed {SEED}: {STREAMS - len(texts)} streams did not end"

        held_after = settle(lambda: held(server), nothing)
        assert held_after == nothing, f"seed {SEED}: still held: {held_after}"
        open_after = settle(lambda: max(descriptors(server), open_before), open_before)
        assert open_after == open_before, f"seed {SEED}: {open_before} descriptors before, {open_after} after"

        complete = [n for n in texts if texts[n] is not None]
        assert len(complete) >= STREAMS - len(leaving)
        for number in complete:
            alone = stream(server, number)
            assert texts[number] == alone, f"seed {SEED}, stream {number}:\n{texts[number]!r}\n{alone!r}"
        print(f"{len(complete)} streams complete and as alone, {STREAMS - len(complete)} cut off, nothing held")


if __name__ == "__main__":
    sys.exit(main())
