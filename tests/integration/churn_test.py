"""64 streams at once, a third of them cut off at random: nothing leaks, and the others are complete and right.

Right: with a fixed seed each surviving stream's text is what the same request gives alone, afterwards. Nothing leaks: slots, KV bytes
in the emulated SRAM and in the shards that compute, sequences and file descriptors are back where they were before.
"""

import os
import random
import threading
import time

import pytest

from cloud import Metrics, Waferd, stream

STREAMS = 64
SEED = 20
TOKENS = 48
GAUGES = ("waferline_requests_in_flight", "waferline_unit_sequences", "waferline_compute_sequences",
          "waferline_compute_shard_kv_bytes", "waferline_compute_prefill_kv_bytes")


def text_of(server, number, chunks_before_leaving=None):
    """The text of a stream, or None if the client left after so many chunks."""
    body = {"model": "waferline-demo", "prompt": f"Once there was a baker, number {number}, who", "max_tokens": TOKENS,
            "temperature": 0.8, "seed": number, "ignore_eos": True}
    text = ""
    events = stream(server.http, "/v1/completions", body)
    try:
        for chunks, (_, event) in enumerate(events, 1):
            assert "error" not in event, event
            text += "".join(choice["text"] for choice in event["choices"])
            if chunks_before_leaving is not None and chunks > chunks_before_leaving:
                return None
        return text
    finally:
        events.close()


def held(server):
    return {(name, *sorted(labels.items())): value for name, labels, value in Metrics(server.http).samples
            if name in GAUGES or (name == "waferline_kv_pages" and labels.get("owner") == "sequences"
                                  and labels["model_name"] == "waferline-demo")}


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def settle(look, wanted, seconds=20):
    """What `look` gives once it is `wanted`, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


class Churn:
    def __init__(self, server):
        text_of(server, 0)  # whatever is made once is made now
        self.nothing = dict.fromkeys(held(server), 0.0)
        self.held_before = settle(lambda: held(server), self.nothing)
        self.open_before = descriptors(server)
        chance = random.Random(SEED)
        self.leaving = {n: chance.randrange(0, 20) for n in range(STREAMS) if chance.random() < 1 / 3}
        self.texts = {}

        def run(number):
            self.texts[number] = text_of(server, number, self.leaving.get(number))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.held_after = settle(lambda: held(server), self.nothing)
        self.open_after = settle(lambda: max(descriptors(server), self.open_before), self.open_before)


@pytest.fixture(name="server", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


@pytest.fixture(name="churn", scope="module")
def run_streams(server):
    return Churn(server)


def test_every_stream_ends(churn):
    assert len(churn.texts) == STREAMS, f"seed {SEED}"
    assert sum(text is not None for text in churn.texts.values()) >= STREAMS - len(churn.leaving)


def test_memory_comes_back(churn):
    assert len(churn.nothing) >= len(GAUGES)
    assert churn.held_before == churn.nothing
    assert churn.held_after == churn.nothing, f"seed {SEED}"


def test_file_descriptors_come_back(churn):
    assert churn.open_after == churn.open_before, f"seed {SEED}"


def test_surviving_texts_are_what_each_request_gives_alone(server, churn):
    for number, text in churn.texts.items():
        if text is not None:
            assert text == text_of(server, number), f"seed {SEED}, stream {number}"
