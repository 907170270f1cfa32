"""Worker processes that are stopped (SIGSTOP) at a given frame of the protocol, or whose network loses one direction or moves a byte a
second from that frame on. Silence is noticed within the patience: the model is impaired, another model does not notice; after SIGCONT the
request that was under way ends with the text of a quiet run, without a restart of anything.

Each state is met by SIGSTOP and by one of the three networks in turn; WAFERLINE_ALL_STATES=1 meets each by all.
"""

import concurrent.futures
import contextlib
import itertools
import json
import os
import signal
import threading
import time

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, far_and_near, get, layer_count, post
from relay import Relay

MODEL = ROOT / "deploy/models/demo.gguf"
PATIENCE_S = 3
# name: kind of frame (link/frame_kind.h), the worker that gets it (0: prefill), whether the chain is built again first
STATES = {"greeting": (1, 2, True), "join": (11, 1, True), "prefill": (14, 0, False), "open": (9, 1, False), "hand-off": (15, 0, False),
          "pages": (5, 2, False), "step": (3, 1, False), "activations": (2, 2, False), "close": (10, 1, False)}
NETWORKS = ("lost there", "lost back", "trickle")
EACH = [(state, "SIGSTOP") for state in STATES]
EACH += itertools.product(STATES, NETWORKS) if os.environ.get("WAFERLINE_ALL_STATES") else zip(STATES, itertools.cycle(NETWORKS))


def ask(url, model):
    body = {"model": model, "prompt": "Once there was a baker who", "temperature": 0, "max_tokens": 24}
    return post(url, "/v1/completions", body)["choices"][0]["text"]


def healthy(url):
    """No model is impaired. /ready stays 200 all the time, for the other model can be served."""
    get(url + "/ready")
    health = json.loads(get(url + "/health"))
    assert health == {"status": "ok"} or "far" in json.dumps(health), health
    return health == {"status": "ok"}


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.1)


@pytest.fixture(name="cloud", scope="module")
def cloud_behind_relays(tmp_path_factory):
    with Workers(MODEL, layer_count(MODEL), 2) as workers, contextlib.ExitStack() as stack:
        tokens = workers.tokens.replace("{from: remote", f"{{from: remote, worker_patience_ms: {PATIENCE_S}000, worker_outage_ms: 300000, outage_patience_ms: 300000")
        relays = [stack.enter_context(Relay(address)) for address in workers.addresses]
        for address, relay in zip(workers.addresses, relays):
            tokens = tokens.replace(address, relay.address)
        config = tmp_path_factory.mktemp("stopped") / "cloud.yaml"
        config.write_text(far_and_near(tokens, MODEL, scale=1000))
        with Waferd(config) as server:
            yield server, workers, relays


@pytest.mark.parametrize(("state", "how"), EACH)
def test_trouble_at(cloud, state, how):
    server, workers, relays = cloud
    kind, number, rebuild = STATES[state]
    text = ask(server.http, "near")
    stopped = threading.Event()

    def stop(seen):
        if seen == kind and not stopped.is_set():
            if how == "SIGSTOP":
                os.kill(workers.processes[number].pid, signal.SIGSTOP)
            else:
                relays[number].bad = how
            stopped.set()

    relays[number].on_frame = stop
    if rebuild:
        workers.kill(3 - number)
        workers.start(3 - number)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            under_way = pool.submit(ask, server.http, "far")
            assert stopped.wait(60)
            relays[number].on_frame = None
            begin = time.monotonic()
            wait_for(lambda: not healthy(server.http), 60)
            print(f"{state}, {how}: noticed after {time.monotonic() - begin:.1f} s, bound {PATIENCE_S} s")
            assert ask(server.http, "near") == text
        finally:
            relays[number].bad = None
            os.kill(workers.processes[number].pid, signal.SIGCONT)
        assert under_way.result(120) == text
    wait_for(lambda: healthy(server.http), 60)
    assert ask(server.http, "far") == text
    assert Metrics(server.http).sum("waferline_restarts_total") == 0
