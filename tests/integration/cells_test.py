"""Cells of a cloud under a real etcd: workers list themselves and are claimed, a standby takes over from a killed leader with a larger
epoch and the same tokens, and losing etcd changes nothing for who serves."""

import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cloud import BIN, ROOT, Waferd, post, waferctl
from etcd import INSTALLED, Etcd

pytestmark = pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")

MODEL = ROOT / "deploy/models/demo.gguf"
LAYERS = 4
ASK = {"model": "waferline-demo", "prompt": "Once upon a time", "max_tokens": 24, "temperature": 0.8, "seed": 7}
SOON = 30


def wait_for(what, seconds=SOON):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return 0, ""  # between the standby's door and the server's


def ready(front):
    return get(front.http + "/ready")[0] == 200


def metric(front, name):
    text = wait_for(lambda: get(front.http + "/metrics")[1])
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + "{"))


def fleet(etcd):
    """Waits for an answer, which a loaded machine's etcd may owe for some seconds after its start."""
    def ask():
        done = waferctl("fleet", "--registry", f"etcd={etcd.address}", "--json")
        return done if done.returncode == 0 else None
    return json.loads(wait_for(ask).stdout)


def config(folder, etcd, name="demo-0", tokens=None, scheme="", more="", ttl_s=2):
    text = (ROOT / "deploy/config/processes/cloud.yaml").read_text()
    models = text[text.index("models:"):]
    head, _, _ = models.partition("tokens:")
    path = pathlib.Path(folder) / f"{name}-{len(list(pathlib.Path(folder).iterdir()))}.yaml"
    endpoints = ", ".join(f'{{address: "{scheme}{address}"}}' for address in etcd.addresses)
    path.write_text(f'cell: {{name: {name}, registry: {{kind: etcd, endpoints: [{endpoints}], ttl_s: {ttl_s}{more}}}}}\n'
                    f"limits: {{grace_us: 0}}\n{head}tokens: {tokens or f'{{from: remote, file: {MODEL}}}'}\n")
    return path


class ListedWorkers:
    """A prefill worker and two shards that list themselves; `back`: more flags of the last one."""

    def __init__(self, etcd, registry=None, back=()):
        common = ["--model", MODEL, *(registry or ["--registry", f"etcd={etcd.address}"]), "--zone", "here"]
        roles = {"prefill": ["--role", "prefill"], "front": ["--role", "shard", "--layers", f"0:{LAYERS // 2}"],
                 "back": ["--role", "shard", "--layers", f"{LAYERS // 2}:{LAYERS}", *back]}
        self.processes = [subprocess.Popen([BIN / "waferd", *common, *flags, "--worker-id", name], stdout=subprocess.DEVNULL)
                          for name, flags in roles.items()]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for process in self.processes:
            process.terminate()
        assert [process.wait(20) for process in self.processes] == [0, 0, 0] or exc[0]
        return False


def test_listed_workers_are_claimed_and_a_standby_takes_over(tmp_path):
    with Etcd() as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        assert all(worker["claim"] is None and worker["zone"] == "here" for worker in fleet(etcd)["workers"])
        # With 2 s a loaded machine may lose the leadership by itself.
        first = Waferd(config(tmp_path, etcd, ttl_s=6))
        with first, Waferd(config(tmp_path, etcd, ttl_s=6)) as second:
            wait_for(lambda: ready(first))
            text = post(first.http, "/v1/completions", ASK)["choices"][0]["text"]
            seen = fleet(etcd)
            assert [cell["http"] for cell in seen["cells"]] == [first.http.removeprefix("http://")]
            epoch = seen["cells"][0]["epoch"]
            assert [worker["claim"] for worker in seen["workers"]] == [{"cell": "demo-0", "epoch": epoch}] * 3
            assert metric(first, "waferline_cell_epoch") == epoch
            assert metric(first, "waferline_cell_workers") == 3

            # The standby lives, is not ready, and says who leads.
            assert get(second.http + "/live") == (200, '{"status":"standby"}')
            code, body = get(second.http + "/ready")
            error = json.loads(body)["error"]
            assert (code, error["code"], error["leader"]) == (503, "standby", first.http.removeprefix("http://"))
            assert f"the front end at {error['leader']} leads this cell" in error["message"]
            assert get(second.http + "/v1/models")[0] == 503
            assert metric(second, "waferline_cell_leading") == 0
            families = {line.split("{")[0] for line in get(second.http + "/metrics?name[]=waferline_cell_epoch&name[]=waferline_cell_leading")[1].splitlines()
                        if not line.startswith("#")}
            assert families == {"waferline_cell_epoch", "waferline_cell_leading"}

            first.process.kill()
            first.process.wait()
            begin = time.monotonic()
            wait_for(lambda: ready(second))
            print(f"failover in {time.monotonic() - begin:.1f} s")
            assert post(second.http, "/v1/completions", ASK)["choices"][0]["text"] == text
            assert metric(second, "waferline_cell_epoch") > epoch
            assert fleet(etcd)["cells"][0]["epoch"] > epoch
            first.process.returncode = 0  # it was killed here


def test_losing_etcd_changes_nothing_for_who_serves(tmp_path):
    with Etcd() as etcd, Waferd(config(tmp_path, etcd, tokens=f"{{from: shards, file: {MODEL}}}")) as front:
        wait_for(lambda: ready(front))
        epoch = metric(front, "waferline_cell_epoch")
        etcd.kill()
        wait_for(lambda: metric(front, "waferline_registry_age_seconds") > 4)
        assert ready(front)
        assert metric(front, "waferline_cell_epoch") == epoch
        post(front.http, "/v1/completions", ASK)
        # Its lease has ended when etcd is back: it is elected again, and nothing was interrupted.
        etcd.start()
        wait_for(lambda: metric(front, "waferline_registry_age_seconds") < 2)
        wait_for(lambda: metric(front, "waferline_cell_epoch") >= epoch)
        post(front.http, "/v1/completions", ASK)


def test_workers_are_claimed_again_when_etcd_had_lost_all(tmp_path):
    with Etcd() as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        with Waferd(config(tmp_path, etcd)) as front:
            wait_for(lambda: ready(front))
            etcd.kill()
            etcd.forget()
            etcd.start()

            def claimed():
                now = fleet(etcd)
                return now["cells"] and [worker["claim"] for worker in now["workers"]] == [
                    {"cell": "demo-0", "epoch": now["cells"][0]["epoch"]}] * 3
            wait_for(claimed)
            post(front.http, "/v1/completions", ASK)

            # What an operator removed, while the leader and its epoch stay as they are.
            epoch = fleet(etcd)["cells"][0]["epoch"]
            etcd.delete("/waferline/1/default/claims/")
            wait_for(lambda: claimed() and fleet(etcd)["cells"][0]["epoch"] == epoch)


def test_one_of_three_members_of_etcd_is_killed(tmp_path):
    with Etcd(members=3) as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        with Waferd(config(tmp_path, etcd)) as first, Waferd(config(tmp_path, etcd)) as second:
            wait_for(lambda: ready(first))
            text = post(first.http, "/v1/completions", ASK)["choices"][0]["text"]
            etcd.kill(0)
            first.process.kill()
            first.process.wait()
            wait_for(lambda: ready(second), 60)
            assert post(second.http, "/v1/completions", ASK)["choices"][0]["text"] == text
            assert all(worker["claim"] for worker in fleet(etcd)["workers"])
            first.process.returncode = 0  # it was killed here
            etcd.start(0)


def test_etcd_over_tls(tmp_path):
    lab = tmp_path / "lab"
    for words in (("init", lab), ("issue", lab, "worker/etcd"), ("issue", lab, "client/members")):
        assert waferctl("certs", *words).returncode == 0
    own = lab / "client-members"
    with Etcd(lab=lab) as etcd:
        files = {"ca": own / "ca.crt", "cert": own / "tls.crt", "key": own / "tls.key"}
        at = f"etcd=https://{etcd.address}"
        with ListedWorkers(etcd, ["--registry", at, *(word for name, file in files.items() for word in (f"--registry-{name}", file))]):
            def seen():
                done = waferctl("fleet", "--registry", at, "--json", *(word for name, file in files.items() for word in (f"--{name}", file)))
                return json.loads(done.stdout) if done.returncode == 0 else None
            wait_for(lambda: (seen() or {"workers": []})["workers"][2:])
            more = "".join(f", {name}: {file}" for name, file in files.items())
            with Waferd(config(tmp_path, etcd, scheme="https://", more=more)) as front:
                wait_for(lambda: ready(front))
                post(front.http, "/v1/completions", ASK)
                assert all(worker["claim"] for worker in seen()["workers"])
            # Without a certificate of the CA, and in plain text.
            for words in (("--registry", at, "--ca", files["ca"]), ("--registry", f"etcd={etcd.address}")):
                assert waferctl("fleet", *words).returncode == 1
    for words, what in ((("--registry", "etcd=127.0.0.1:1", "--ca", own / "ca.crt"), "these are plain"),
                        (("--registry", "etcd=https://127.0.0.1:1,127.0.0.1:2"), "or none"),
                        (("--registry", "etcd=https://127.0.0.1:1", "--ca", own / "ca.crt", "--cert", own / "tls.crt"), "go together")):
        done = waferctl("fleet", *words)
        assert done.returncode == 1 and what in done.stderr, done.stderr


def test_a_front_end_without_workers_says_what_is_missing(tmp_path):
    with Etcd() as etcd, Waferd(config(tmp_path, etcd)) as front:
        def reason():
            return get(front.http + "/ready")[1]
        wait_for(lambda: "no prefill worker has the model and is free" in reason())


def test_a_file_lists_members_too(tmp_path):
    listed = tmp_path / "fleet.yaml"
    listed.write_text('workers: [{id: s0, layers: "0:4", endpoint: "127.0.0.1:1"}]\n')
    done = waferctl("fleet", "--registry", f"file={listed}")
    assert done.returncode == 0, done.stderr
    assert "0 cells\n1 worker, 1 spare\n" in done.stdout and "0:4" in done.stdout
    done = waferctl("fleet", "--registry", "etcd=127.0.0.1:1", timeout=30)
    assert done.returncode == 1 and "etcd does not answer at 127.0.0.1:1" in done.stderr
    assert waferctl("fleet", "--registry", "consul=x").returncode == 2
