"""Several chains of workers for one model: requests are spread over them, and those of a chain that lost a worker go on on another one.
Text, emulated times and the schedule's digest are those of shards in one process."""

import concurrent.futures
import contextlib
import json
import subprocess
import threading
import time

import pytest

from cells_test import ASK, config as cell_config, fleet, ready, wait_for
from chaos_test import CONFIG, run
from cloud import BIN, ROOT, Metrics, Waferd, Workers, get, layer_count, post, waferctl
from etcd import INSTALLED, Etcd
from quiet_run import report

MODEL = ROOT / "deploy/models/demo.gguf"
LAYERS = layer_count(MODEL)


def start(folder, tokens):
    return Waferd.of(folder, CONFIG.format(tokens=tokens))


@pytest.fixture(name="quiet", scope="module")
def quiet_run(tmp_path_factory):
    with start(tmp_path_factory.mktemp("quiet"), f"{{from: shards, file: {MODEL}, shards: 1}}") as server:
        return run(server, threading.Event())


def chains(*workers):
    listed = ", ".join(f'{{prefill_worker: "{each.addresses[0]}", shard_workers: ['
                       + ", ".join(f'{{address: "{address}"}}' for address in each.addresses[1:]) + "]}" for each in workers)
    return f"{{from: remote, file: {MODEL}, chains: [{listed}], worker_outage_ms: 60000}}"


def test_a_lost_chains_sequences_go_on_on_another_one(quiet, tmp_path):
    """The chains are cut in two and in four. A shard of the first is killed for good when a client has read a token."""
    with Workers(MODEL, LAYERS, 2) as first, Workers(MODEL, LAYERS, 4) as second, start(tmp_path, chains(first, second)) as server:
        token = threading.Event()

        def kill():
            assert token.wait(120)
            first.kill(1)
            return time.monotonic()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            killing = pool.submit(kill)
            seen = run(server, token)
            assert seen == quiet
            report("the same, and there is another chain", seen, time.monotonic() - killing.result())
        metrics = Metrics(server.http)
        assert metrics.sum("waferline_chain_moves_total") > 0
        assert metrics.sum("waferline_compute_activation_bytes_total", hop="1") > 0  # of the second chain
        assert metrics.sum("waferline_restarts_total") == 0
        assert metrics.sum("waferline_chain_state", chain="0") < 2 and metrics.sum("waferline_host_outage_seconds", chain="0") > 0
        assert metrics.sum("waferline_host_outage_seconds", chain="1") == 0
        assert metrics.sum("waferline_chain_state", chain="1") == 2
        assert metrics.sum("waferline_link_heartbeat_age_seconds", chain="1") < 60
        assert json.loads(get(server.http + "/health")) == {"status": "ok"}
        assert len(post(server.http, "/v1/completions", {"model": "far", "prompt": "x", "max_tokens": 3})["choices"]) == 1
        # The first is back, the second is lost: the other way round.
        built = metrics.sum("waferline_chain_generation", chain="0")
        first.start(1)
        wait_for(lambda: Metrics(server.http).sum("waferline_chain_state", chain="0") == 2, 60)
        assert Metrics(server.http).sum("waferline_chain_generation", chain="0") > built
        second.kill(4)
        assert len(post(server.http, "/v1/completions", {"model": "far", "prompt": "x", "max_tokens": 3})["choices"]) == 1
        second.start(4)


def test_a_chain_that_is_missing_at_the_start_is_named(tmp_path):
    with Workers(MODEL, LAYERS, 1) as only:
        missing = chains(only).replace("chains: [", 'chains: [{prefill_worker: "127.0.0.1:1", shard_workers: [{address: "127.0.0.1:1"}]}, ')
        with pytest.raises(RuntimeError, match="chain 1 of 2: .*127.0.0.1:1"):
            start(tmp_path, missing).__enter__()


@pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")
def test_a_cell_claims_several_chains(tmp_path):
    with Etcd() as etcd:
        common = ["--model", MODEL, "--registry", f"etcd={etcd.address}"]
        roles = {f"p{i}": ["--role", "prefill"] for i in range(2)} | {f"w{i}": ["--role", "worker", "--layers", "any"] for i in range(5)}
        with contextlib.ExitStack() as stack:
            processes = {name: subprocess.Popen([BIN / "waferd", *common, *flags, "--worker-id", name], stdout=subprocess.DEVNULL)
                         for name, flags in roles.items()}
            for process in processes.values():
                stack.callback(process.wait, 30)
                stack.callback(process.terminate)
            wait_for(lambda: len(fleet(etcd)["workers"]) == len(roles))
            path = cell_config(tmp_path, etcd)
            path.write_text(path.read_text().replace("cell: {", "cell: {chains: 2, shards: 2, standbys: 1, "))
            with Waferd(path) as front:
                wait_for(lambda: ready(front))
                wait_for(lambda: sum(worker["claim"] is not None for worker in fleet(etcd)["workers"]) == len(roles))
                want = post(front.http, "/v1/completions", ASK)["choices"][0]["text"]
                processes["w0"].kill()
                assert [post(front.http, "/v1/completions", ASK)["choices"][0]["text"] for _ in range(4)] == [want] * 4
                # The standby takes the lost one's place, and both chains serve again.
                wait_for(lambda: [Metrics(front.http).sum("waferline_chain_state", chain=str(i)) for i in (0, 1)] == [2, 2], 60)
                assert post(front.http, "/v1/completions", ASK)["choices"][0]["text"] == want
                assert "0 spare" in waferctl("fleet", "--registry", f"etcd={etcd.address}").stdout


@pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")
def test_a_chain_that_joins_later_is_taken_in_while_requests_run(tmp_path):
    """Then the first chain loses a shard for good, and all goes on on the one that joined."""
    with Etcd() as etcd, contextlib.ExitStack() as stack:
        def start_worker(name, *flags):
            process = subprocess.Popen([BIN / "waferd", "--model", MODEL, "--registry", f"etcd={etcd.address}", *flags, "--worker-id", name],
                                       stdout=subprocess.DEVNULL)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return process

        start_worker("p0", "--role", "prefill")
        first = [start_worker(f"w{i}", "--role", "worker", "--layers", "any") for i in range(2)]
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        path = cell_config(tmp_path, etcd)
        path.write_text(path.read_text().replace("cell: {", "cell: {chains: 2, shards: 2, standbys: 0, "))
        with Waferd(path) as front:
            def chain(number):
                try:
                    return Metrics(front.http).sum("waferline_chain_state", chain=str(number))
                except KeyError:
                    return None

            wait_for(lambda: ready(front))
            assert (chain(0), chain(1)) == (2, None)
            want = post(front.http, "/v1/completions", ASK)["choices"][0]["text"]
            joined = threading.Event()

            def ask():
                texts = []
                while not joined.is_set() or len(texts) < 4:
                    texts.append(post(front.http, "/v1/completions", ASK)["choices"][0]["text"])
                return texts

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                asking = [pool.submit(ask) for _ in range(4)]
                try:
                    start_worker("p1", "--role", "prefill")
                    for i in range(2, 4):
                        start_worker(f"w{i}", "--role", "worker", "--layers", "any")
                    wait_for(lambda: chain(1) == 2, 60)
                finally:
                    joined.set()
                texts = [text for one in asking for text in one.result()]
            assert len(texts) >= 16 and set(texts) == {want}
            assert all(worker["claim"] for worker in fleet(etcd)["workers"])
            first[0].kill()
            first[0].wait()
            assert [post(front.http, "/v1/completions", ASK)["choices"][0]["text"] for _ in range(4)] == [want] * 4
            wait_for(lambda: chain(0) < 2)
            assert ready(front) and chain(1) == 2
