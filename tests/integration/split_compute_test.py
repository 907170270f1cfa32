"""Attention and feed-forward parts of a model on different workers, in one process and as processes: the texts of one shard, as many
bytes between the sides as the law says, and requests that survive when a worker of either side is killed or stopped, or when the network
between the sides is bad.
"""

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import time
import urllib.error

import pytest

from cloud import BIN, ROOT, Metrics, SplitWorkers, Waferd, get, model_shape, post
from relay import Relay

MODEL = ROOT / "deploy/models/demo.gguf"
SMOLLM = os.path.expanduser(os.environ.get("XDG_CACHE_HOME", "~/.cache")) + "/waferline/models/SmolLM2-135M-Instruct.Q4_1.gguf"
CONFIG = """clock: {{kind: real, scale: 1000}}
models:
  - name: split
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""
REQUESTS = [{"prompt": "Once there was a baker who", "temperature": 0},
            {"prompt": "The storm came over the harbour. " * 12, "temperature": 0.9, "seed": 7, "logprobs": 2},
            {"prompt": "In the workshop", "temperature": 1.1, "seed": 8, "repetition_penalty": 1.2}]


def serve(folder, tokens):
    config = folder / "cloud.yaml"
    config.write_text(CONFIG.format(tokens=tokens))
    return Waferd(config)


def ask(url, number, max_tokens=40):
    body = {"model": "split", "max_tokens": max_tokens, "ignore_eos": True, **REQUESTS[number % len(REQUESTS)]}
    return post(url, "/v1/completions", body)["choices"][0]


def ask_all(url, copies=1, max_tokens=40):
    """All requests, each `copies` times, at once."""
    with concurrent.futures.ThreadPoolExecutor(copies * len(REQUESTS)) as pool:
        return list(pool.map(lambda number: ask(url, number, max_tokens), range(copies * len(REQUESTS))))


def require_bytes(url, model):
    """Tokens x layers x hidden x (4 + 4); processes report when a sequence has left."""
    shape = model_shape(model)
    rows = len(REQUESTS) * 39  # the first token of each request comes from the prefill
    expected = rows * shape["layers"] * shape["hidden"] * (4 + 4)
    deadline = time.monotonic() + 10
    while (passed := Metrics(url).sum("waferline_compute_feed_forward_bytes_total")) != expected:
        assert time.monotonic() < deadline, (passed, expected)
        time.sleep(0.05)


@pytest.fixture(name="alone", scope="module")
def one_shard(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("alone"), f"{{from: shards, file: {MODEL}}}") as server:
        return [ask(server.http, number) for number in range(len(REQUESTS))]


def test_in_one_process(alone, tmp_path):
    with serve(tmp_path, f"{{from: split, file: {MODEL}, attention: 2, ffn: 3, micro_batches: 3}}") as server:
        assert ask_all(server.http) == alone
        require_bytes(server.http, MODEL)


@pytest.mark.parametrize("attention, ffn, micro_batches", ((2, 1, 2), (1, 2, 3)))
def test_as_processes(alone, tmp_path, attention, ffn, micro_batches):
    with SplitWorkers(MODEL, model_shape(MODEL)["layers"], attention, ffn, micro_batches) as workers:
        with serve(tmp_path, workers.tokens) as server:
            assert ask_all(server.http) == alone
            require_bytes(server.http, MODEL)


@pytest.mark.skipif(not os.path.exists(SMOLLM), reason="SmolLM2 is not installed: deploy/models/get.sh smollm2")
def test_a_public_model(tmp_path):
    with serve(tmp_path, f"{{from: shards, file: {SMOLLM}}}") as server:
        expected = ask(server.http, 0)
    with SplitWorkers(SMOLLM, model_shape(SMOLLM)["layers"], 2, 1) as workers:
        with serve(tmp_path, workers.tokens) as server:
            assert ask(server.http, 0) == expected


@pytest.fixture(name="cloud", scope="module")
def cloud_of_workers(tmp_path_factory):
    with SplitWorkers(MODEL, model_shape(MODEL)["layers"], 2, 1) as workers:
        tokens = workers.tokens.replace("{from: split", "{from: split, worker_outage_ms: 3000, outage_patience_ms: 8000")
        with serve(tmp_path_factory.mktemp("split"), tokens) as server:
            yield server, workers


def wait_until_ready(url):
    deadline = time.monotonic() + 20
    while True:
        try:
            return get(url + "/ready")
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def recovered(url):
    return Metrics(url).sum("waferline_host_recoveries_total")


@pytest.mark.parametrize("side", ("attention", "ffn"))
def test_killed_under_load_nothing_is_lost_or_altered(cloud, side):
    """Asks, kills a worker and starts it again, until a kill has hit sequences that were being decoded."""
    server, workers = cloud
    group, number = (workers, 2) if side == "attention" else (workers.ffn, 0)
    wait_until_ready(server.http)
    expected = ask_all(server.http, copies=3, max_tokens=150)
    assert len({answer["text"] for answer in expected}) == len(REQUESTS)
    before = recovered(server.http)
    deadline = time.monotonic() + 60
    while recovered(server.http) == before:
        assert time.monotonic() < deadline, "no kill hit a running sequence"
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answers = pool.submit(ask_all, server.http, 3, 150)
            while Metrics(server.http).sum("waferline_compute_sequences") == 0 and not answers.done():
                pass
            group.kill(number)
            group.start(number)
            assert answers.result() == expected


@pytest.mark.parametrize("side", ("attention", "ffn"))
def test_a_worker_that_stays_away_is_named(cloud, side):
    server, workers = cloud
    group, number = (workers, 1) if side == "attention" else (workers.ffn, 0)
    wait_until_ready(server.http)
    expected = ask(server.http, 0)
    group.kill(number)
    try:
        with pytest.raises(urllib.error.HTTPError) as ended:
            ask(server.http, 0)
        message = ended.value.read().decode()
        assert ended.value.code == 503 and group.addresses[number] in message, message
        assert side == "attention" or f"the feed-forward worker at {group.addresses[number]}" in message, message
    finally:
        group.start(number)
    wait_until_ready(server.http)
    assert ask(server.http, 0) == expected


def test_a_stopped_feed_forward_worker_costs_a_bounded_time(cloud):
    server, workers = cloud
    wait_until_ready(server.http)
    expected = ask(server.http, 0)
    pid = workers.ffn.processes[0].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises((RuntimeError, urllib.error.HTTPError)):
            # 1,000 emulated seconds a second
            post(server.http, "/v1/completions", {"model": "split", "max_tokens": 40, **REQUESTS[0],
                                                  "waferline": {"deadline_ms": 1_000_000}})
        assert time.monotonic() - begin < 4
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until_ready(server.http)
    assert ask(server.http, 0) == expected


@pytest.fixture(name="relayed", scope="module")
def cloud_with_a_relay(tmp_path_factory):
    """The server, and the relay between its attention workers and their feed-forward worker."""
    relays = []
    with contextlib.ExitStack() as stack:
        def between(address):
            relays.append(stack.enter_context(Relay(address)))
            return relays[-1].address

        workers = stack.enter_context(SplitWorkers(MODEL, model_shape(MODEL)["layers"], 2, 1, between=between))
        tokens = workers.tokens.replace("{from: split", "{from: split, worker_outage_ms: 3000, outage_patience_ms: 3000")
        yield stack.enter_context(serve(tmp_path_factory.mktemp("relayed"), tokens)), relays[0]


@pytest.mark.parametrize("bad", ("lost there", "lost back", "trickle"))
def test_a_bad_network_between_the_sides_costs_a_bounded_time(relayed, bad):
    server, relay = relayed
    wait_until_ready(server.http)
    expected = ask(server.http, 0)
    relay.bad = bad
    try:
        begin = time.monotonic()
        with pytest.raises(urllib.error.HTTPError) as ended:
            ask(server.http, 0)
        # The worker's silence is noticed after 3 s, perhaps by a chain that was built again; then the outage has its bound.
        print(f"{ended.value.code} after {time.monotonic() - begin:.1f} s, bound 15 s")
        assert ended.value.code == 503 and time.monotonic() - begin < 15 + 30  # for a loaded machine
    finally:
        relay.bad = None
    wait_until_ready(server.http)
    assert ask(server.http, 0) == expected


def test_what_does_not_fit_is_refused_by_name(tmp_path):
    def refused(*flags, says):
        out = subprocess.run([BIN / "waferd", *flags], capture_output=True, text=True, timeout=60)
        assert out.returncode in (1, 2) and says in out.stderr, out.stderr

    layers = model_shape(MODEL)["layers"]
    for tokens, said in ((f"{{from: split, file: {MODEL}, ffn: {layers + 1}}}", f"is out of range [0, {layers}], the model's layers"),
                         (f"{{from: split, file: {MODEL}, micro_batches: 65}}", "micro_batches"),
                         (f"{{from: split, file: {MODEL}, shards: 2}}", "shards"),
                         (f"{{from: split, file: {MODEL}, prefill_worker: 'a:1', attention_workers: [{{address: 'a:2'}}], ffn: 2}}",
                          "each attention process says by --ffn-workers")):
        config = tmp_path / "cloud.yaml"
        config.write_text(CONFIG.format(tokens=tokens))
        refused("--config", config, "--http-port", "0", "--grpc-port", "0", says=said)
    worker = ["--model", MODEL, "--layers", "0:2"]
    refused("--role", "attention", *worker, says="--ffn-workers HOST:PORT,... is required")
    refused("--role", "attention", *worker, "--ffn-workers", "127.0.0.1:1", "--micro-batches", "65", says="--micro-batches")
    refused("--role", "ffn", *worker, "--experts", "0:1", says="--experts has no effect")
    refused("--role", "ffn", "--model", MODEL, "--layers", f"0:{layers + 1}", says="out of range")
    refused("--role", "ffn", *worker, "--sram-bytes", "1000", says="the feed-forward worker of layers 0 to 1")
    # Another model's worker, and one of other layers.
    for other, cut, said in ((SMOLLM, f"0:{layers}", "loaded a different model file"), (MODEL, f"0:{layers - 1}", f"layer {layers - 1} is on 0")):
        if not os.path.exists(other):
            continue
        with SplitWorkers(MODEL, layers, 1, 1) as workers:
            workers.ffn.kill(0)
            workers.ffn.model, workers.ffn.flags[0][3] = other, cut
            workers.ffn.start(0)
            config.write_text(CONFIG.format(tokens=workers.tokens))
            refused("--config", config, "--http-port", "0", "--grpc-port", "0", says=said)
