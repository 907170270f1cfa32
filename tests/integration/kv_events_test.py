"""KV events over ZeroMQ as a router reads them: blocks of prompts with their tokens as maps, what was cached is counted as cached, gone
when the caches are emptied, and sent again on demand."""

import re
import struct

import msgpack
import pytest
import zmq

from cloud import ROOT, Waferd, post

BLOCK = 16


@pytest.fixture(name="cloud", scope="module")
def serve(tmp_path_factory):
    config = tmp_path_factory.mktemp("kv") / "server.yaml"
    config.write_text(f"""
clock: {{kind: stepped}}
kv_events:
  - {{bind: "tcp://127.0.0.1:*", topic: "kv@here@demo", replay: "tcp://127.0.0.1:*"}}
  - {{bind: "tcp://127.0.0.1:*", model: demo}}
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1, cache_tokens: 4096}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    scheduling: {{block_tokens: {BLOCK}}}
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf}}
""")
    with Waferd(config) as server:
        publish, replay, other = (int(port) for port in re.findall(r"tcp://127.0.0.1:(\d+)", server.log()))
        server.ports = publish, replay, other
        yield server


def reader(context, port, topic=b""):
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.SUBSCRIBE, topic)
    subscriber.setsockopt(zmq.RCVTIMEO, 60_000)
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    return subscriber


def batches(subscriber, until):
    """(sequence, event) of what comes, until the condition holds of all events."""
    events = []
    while not until([event for _, event in events]):
        topic, sequence, payload = subscriber.recv_multipart()
        _, found, rank = msgpack.unpackb(payload)
        assert rank == 0
        events += [(struct.unpack(">Q", sequence)[0], event) for event in found]
    return topic, events


def stored(events):
    return [token for event in events if event["type"] == "BlockStored" for token in event["token_ids"]]


def ask(cloud, prompt):
    body = {"model": "demo", "prompt": prompt, "max_tokens": 2, "temperature": 0, "ignore_eos": True}
    return post(cloud.http, "/v1/completions", body)["usage"]


def test_blocks_of_prompts_are_published_and_replayed(cloud):
    publish, replay, other = cloud.ports
    with zmq.Context() as context, reader(context, publish, b"kv@here") as first, reader(context, other) as second:
        # A subscription takes a moment to arrive: prompts are sent until one is seen, by both.
        for salt in range(600):
            ask(cloud, [100 + salt % 150, 3 + salt // 150] * BLOCK)
            if first.poll(50) and second.poll(50):
                break
        assert first.poll(0) and second.poll(0)
        prompt = list(range(300, 300 + 3 * BLOCK + 5))
        assert ask(cloud, prompt)["prompt_tokens_details"]["cached_tokens"] == 0
        topic, events = batches(first, lambda seen: stored(seen)[-3 * BLOCK:] == prompt[:3 * BLOCK])
        assert topic == b"kv@here@demo"
        blocks = [event for _, event in events if event["type"] == "BlockStored" and event["token_ids"][0] >= 300]
        assert all(event["block_size"] == BLOCK and event["medium"] == "GPU" and event["lora_id"] is None for event in blocks)
        hashes = [block for event in blocks for block in event["block_hashes"]]
        assert len(set(hashes)) == 3 and blocks[0]["parent_block_hash"] is None
        batches(second, lambda seen: stored(seen)[-3 * BLOCK:] == prompt[:3 * BLOCK])

        # What was published is what the next request finds; it brings one block more, behind the known ones.
        longer = prompt[:3 * BLOCK] + list(range(700, 700 + BLOCK)) + [9]
        assert ask(cloud, longer)["prompt_tokens_details"]["cached_tokens"] == 3 * BLOCK
        _, events = batches(first, lambda seen: stored(seen)[-BLOCK:] == longer[-BLOCK - 1:-1])
        assert events[-1][1]["parent_block_hash"] == hashes[-1]
        last_hash = events[-1][1]["block_hashes"][-1]

        post(cloud.http, "/admin/reset_prefix_cache", {})
        _, events = batches(first, lambda seen: last_hash in [block for event in seen if event["type"] == "BlockRemoved"
                                                                 for block in event["block_hashes"]])
        newest = events[-1][0]

        with context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.RCVTIMEO, 60_000)
            dealer.connect(f"tcp://127.0.0.1:{replay}")
            dealer.send_multipart([b"", struct.pack(">Q", newest - 1)])
            again = []
            while True:
                empty, topic, sequence, payload = dealer.recv_multipart()
                assert empty == b""
                if sequence == b"\xff" * 8:
                    break
                again.append(struct.unpack(">Q", sequence)[0])
                assert topic == b"kv@here@demo" and msgpack.unpackb(payload)[1]
            assert again[:2] == [newest - 1, newest] and payload == b""
            for wrong in ([b"x"], [b"", b"short"], [b"", b"", b"", b"12345678"]):
                dealer.send_multipart(wrong)
            dealer.send(struct.pack(">Q", 1 << 40))  # without the empty frame, and nothing is so new
            assert dealer.recv_multipart() == [b"kv@here@demo", b"\xff" * 8, b""]


def test_a_publisher_that_cannot_be_is_named(tmp_path, cloud):
    config = tmp_path / "server.yaml"
    text = (ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models"))
    for publisher, says in ((f'{{bind: "tcp://127.0.0.1:{cloud.ports[0]}"}}', "Address already in use"),
                            ('{bind: "tcp://127.0.0.1:*", model: none}', 'no model is named "none"'), ('{bind: "here"}', "kv_events: here")):
        config.write_text(f"kv_events: [{publisher}]\n{text}")
        with pytest.raises(RuntimeError, match=says):
            Waferd(config).__enter__()
