"""Standby shards and several prefill workers: one that is killed for good loses its place, and nothing else is seen. Text, emulated times
and the schedule's digest are those of a run in which nothing happened.
"""

import json
import subprocess

import pytest

from cells_test import config as cell_config, fleet, ready, wait_for
from cloud import BIN, Metrics, Waferd, Workers, get, layer_count, stream, waferctl
from etcd import INSTALLED, Etcd
from quiet_run import CONFIG, MODEL, same_as_quiet

LAYERS = layer_count(MODEL)


def start(folder, tokens):
    return Waferd.of(folder, CONFIG.format(tokens=tokens))


def patient(workers):
    return workers.tokens.replace("{from: remote", "{from: remote, worker_outage_ms: 60000")


@pytest.mark.parametrize("layers", ("any", f"{LAYERS // 2}:{LAYERS}"), ids=("warm", "hot"))
def test_a_standby_takes_the_place_of_a_shard_that_stays_away(layers, tmp_path):
    with Workers(MODEL, LAYERS, 2, spares=[layers]) as workers, start(tmp_path, patient(workers)) as server:
        same_as_quiet("a shard's process is killed for good", server, lambda: workers.kill(2))
        metrics = Metrics(server.http)
        assert metrics.sum("waferline_host_recoveries_total", cause="shard_lost") >= 1
        assert metrics.sum("waferline_restarts_total") == 0
        assert json.loads(get(server.http + "/health")) == {"status": "ok"}
        workers.start(2)  # a standby now, so that all end in an orderly way


def test_the_one_that_was_replaced_is_a_standby_when_it_is_back(tmp_path):
    with Workers(MODEL, LAYERS, 2, spares=["any"]) as workers, start(tmp_path, patient(workers)) as server:
        texts = []
        for lost, back in ((2, 2), (3, 3), (2, 2)):
            body = {"model": "far", "prompt": "The storm came over the harbour. ", "temperature": 0, "max_tokens": 200, "ignore_eos": True}
            text, killed = "", False
            for _, event in stream(server.http, "/v1/completions", body):
                text += "".join(choice["text"] for choice in event["choices"])
                if not killed and len(text) > 20:
                    killed = True
                    workers.kill(lost)
            texts.append(text)
            assert killed
            workers.start(back)
        assert len(set(texts)) == 1 and texts[0]


@pytest.mark.parametrize("number", (0, 3), ids=("the first", "the second"))
def test_the_jobs_of_a_lost_prefill_worker_go_to_the_others(number, tmp_path):
    with Workers(MODEL, LAYERS, 2, prefill=2) as workers, start(tmp_path, patient(workers)) as server:
        workers.kill(number)
        same_as_quiet("a prefill worker is lost", server)
        assert json.loads(get(server.http + "/health")) == {"status": "ok"}
        assert "others go on" in server.log()
        workers.start(number)


@pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")
def test_a_cell_keeps_standbys(tmp_path):
    """Workers that take any layers, from etcd: a chain of two, two more as standbys; one of the chain is killed for good."""
    with Etcd() as etcd:
        common = ["--model", MODEL, "--registry", f"etcd={etcd.address}"]
        flags = {"p0": ["--role", "prefill"], "p1": ["--role", "prefill"]}
        flags |= {f"w{i}": ["--role", "worker", "--layers", "any"] for i in range(4)}
        processes = {name: subprocess.Popen([BIN / "waferd", *common, *more, "--worker-id", name], stdout=subprocess.DEVNULL)
                     for name, more in flags.items()}
        try:
            wait_for(lambda: len(fleet(etcd)["workers"]) == 6)
            path = cell_config(tmp_path, etcd)
            path.write_text(path.read_text().replace("cell: {", "cell: {shards: 2, prefill_workers: 2, standbys: 1, "))
            with Waferd(path) as front:
                wait_for(lambda: ready(front))
                wait_for(lambda: sum(worker["claim"] is not None for worker in fleet(etcd)["workers"]) == 5)
                assert "1 spare" in waferctl("fleet", "--registry", f"etcd={etcd.address}").stdout
                body = {"model": "waferline-demo", "prompt": "Once upon a time", "max_tokens": 150, "temperature": 0, "ignore_eos": True}

                def text(fault=None):
                    got = ""
                    for _, event in stream(front.http, "/v1/completions", body):
                        got += "".join(choice["text"] for choice in event["choices"])
                        if fault and len(got) > 10:
                            fault()
                            fault = None
                    assert fault is None
                    return got

                want = text()
                for name in ("w1", "p0"):
                    assert text(processes[name].kill) == want
                    processes[name].wait()
                # Its place was taken, and the last spare is the standby now.
                wait_for(lambda: {worker["id"] for worker in fleet(etcd)["workers"] if worker["claim"]} == {"p1", "w0", "w2", "w3"})
                assert text() == want
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(20)
