"""What etcd forgets, gives a second time or loses, and workers that another cell took: running requests notice nothing, and who serves has a
larger epoch than any that its workers have seen."""

import http.client
import signal

import pytest

from cells_test import ASK, ListedWorkers, config, fleet, metric, ready, wait_for
from cloud import Metrics, Waferd, post
from etcd import INSTALLED, Etcd, free_port
from quiet_run import CONFIG, MODEL, quiet, run, same_as_quiet, while_held
from relay import Relay

pytestmark = pytest.mark.skipif(not INSTALLED, reason="etcd-server is not installed")


def stepped(folder, etcd):
    """A cell's front end on a stepped clock, which waits for minutes for what a worker says."""
    path = config(folder, etcd)
    tokens = f"{{from: remote, file: {MODEL}, worker_patience_ms: 120000}}"
    path.write_text(f"{path.read_text().splitlines()[0]}\n{CONFIG.format(tokens=tokens)}")
    return path


def claimed(etcd, epoch_over=0):
    """All workers are, by the leader, whose epoch is larger than that."""
    now = fleet(etcd)
    return now["cells"] and now["cells"][0]["epoch"] > epoch_over and [worker["claim"] for worker in now["workers"]] == [
        {"cell": "demo-0", "epoch": now["cells"][0]["epoch"]}] * 3


ROWS = {"one of three members": "one of three members of etcd", "all": "etcd as a whole", "all, and its data": "etcd loses its data",
        "all, restored from a backup": "etcd is restored from a backup"}


@pytest.mark.parametrize("fault", ROWS)
def test_a_running_request_does_not_notice_what_etcd_loses(fault, tmp_path):
    """It waits for its last shard's answer while etcd fails and comes back."""
    quiet()
    port = free_port()
    with Etcd(members=3 if fault.startswith("one") else 1) as etcd, Relay(f"127.0.0.1:{port}") as relay, \
            ListedWorkers(etcd, back=["--listen", f"127.0.0.1:{port}", "--advertise", relay.address]):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        if fault.endswith("backup"):
            etcd.save(tmp_path / "backup")
            for number in range(40):  # so that the next epochs are far above what the backup counts on from
                etcd.put("/elsewhere", str(number))
        with Waferd(stepped(tmp_path, etcd)) as front:
            wait_for(lambda: ready(front))

            def lose():
                epoch = metric(front, "waferline_cell_epoch")
                etcd.kill(0 if fault.startswith("one") else None)
                if fault.startswith("all"):  # its lease has ended
                    wait_for(lambda: metric(front, "waferline_registry_age_seconds") > 4)
                if fault.endswith("data"):
                    etcd.forget()
                    etcd.start()
                    wait_for(lambda: claimed(etcd), 120)
                if fault.endswith("backup"):
                    etcd.restore(tmp_path / "backup")
                    etcd.start()
                    wait_for(lambda: claimed(etcd, epoch), 120)

            same_as_quiet(ROWS[fault], front, while_held(relay, front, lose), at=1)
            assert Metrics(front.http).sum("waferline_host_recoveries_total") == 0
            if fault.startswith("one"):
                etcd.start(0)


def test_a_killed_leaders_request_repeated_at_the_standby_is_the_same(tmp_path):
    with Etcd() as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        first = Waferd(stepped(tmp_path, etcd))
        with first, Waferd(stepped(tmp_path, etcd)) as second:
            wait_for(lambda: ready(first))

            def kill():
                first.process.kill()
                first.process.wait()
                first.process.returncode = 0  # it was killed here

            with pytest.raises((OSError, http.client.HTTPException, RuntimeError)):
                run(first, 1, kill)
            wait_for(lambda: ready(second))
            same_as_quiet("the leader is killed", second)


def test_a_cell_whose_workers_another_one_took_leads_again_by_itself(tmp_path):
    """All claims are deleted while its leader is stopped, another cell is faster, and dies when it serves with a larger epoch. The first
    one is not started again."""
    with Etcd() as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        with Waferd(config(tmp_path, etcd)) as first:
            wait_for(lambda: ready(first))
            text = post(first.http, "/v1/completions", ASK)["choices"][0]["text"]
            epoch = metric(first, "waferline_cell_epoch")
            other = Waferd(config(tmp_path, etcd, name="demo-1"))
            with other:
                first.process.send_signal(signal.SIGSTOP)
                try:
                    etcd.delete("/waferline/1/default/claims/")
                    wait_for(lambda: [(worker["claim"] or {}).get("cell") for worker in fleet(etcd)["workers"]] == ["demo-1"] * 3)
                    wait_for(lambda: ready(other))
                finally:
                    first.process.send_signal(signal.SIGCONT)
                wait_for(lambda: not ready(first))
                assert post(other.http, "/v1/completions", ASK)["choices"][0]["text"] == text
                taken = metric(other, "waferline_cell_epoch")
                assert taken > epoch
                other.process.kill()
                other.process.wait()
                other.process.returncode = 0  # it was killed here
            wait_for(lambda: ready(first), 60)
            assert post(first.http, "/v1/completions", ASK)["choices"][0]["text"] == text
            assert metric(first, "waferline_cell_epoch") > taken
            assert first.process.poll() is None and claimed(etcd, taken)


def test_etcd_restored_from_a_backup_with_smaller_revisions(tmp_path):
    """The backup names a leader that is dead and epochs that are over: who serves goes on, claims again with a larger epoch than any that
    workers have seen, and so does a front end that knew nothing of it."""
    with Etcd() as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        first = Waferd(config(tmp_path, etcd))
        with first:
            wait_for(lambda: ready(first))
            text = post(first.http, "/v1/completions", ASK)["choices"][0]["text"]
            etcd.save(tmp_path / "backup")
            for number in range(40):  # so that the next epochs are far above what the backup counts on from
                etcd.put("/elsewhere", str(number))
            first.process.kill()
            first.process.wait()
            first.process.returncode = 0  # it was killed here
        with Waferd(config(tmp_path, etcd)) as second:
            wait_for(lambda: ready(second))
            epoch = metric(second, "waferline_cell_epoch")
            etcd.kill()
            etcd.restore(tmp_path / "backup")
            etcd.start()
            wait_for(lambda: "went back from revision" in second.log(), 120)

            wait_for(lambda: claimed(etcd, epoch), 120)
            assert ready(second)
            assert post(second.http, "/v1/completions", ASK)["choices"][0]["text"] == text
            epoch = metric(second, "waferline_cell_epoch")
            second.process.kill()
            second.process.wait()
            second.process.returncode = 0
        with Waferd(config(tmp_path, etcd)) as third:
            wait_for(lambda: ready(third), 120)
            assert post(third.http, "/v1/completions", ASK)["choices"][0]["text"] == text
            assert claimed(etcd)


def test_the_registry_forgot_the_epoch_and_all_front_ends_were_restarted(tmp_path):
    with Etcd() as etcd, ListedWorkers(etcd):
        wait_for(lambda: len(fleet(etcd)["workers"]) == 3)
        etcd.save(tmp_path / "backup")
        for number in range(40):
            etcd.put("/elsewhere", str(number))
        with Waferd(config(tmp_path, etcd)) as first:
            wait_for(lambda: ready(first))
            text = post(first.http, "/v1/completions", ASK)["choices"][0]["text"]
            epoch = metric(first, "waferline_cell_epoch")
        etcd.kill()
        etcd.restore(tmp_path / "backup")
        etcd.start()
        with Waferd(config(tmp_path, etcd)) as second:
            wait_for(lambda: ready(second), 120)
            assert metric(second, "waferline_cell_epoch") > epoch
            assert post(second.http, "/v1/completions", ASK)["choices"][0]["text"] == text
