"""Faults of a running server's hardware, one on top of another: the later order decides."""

import json
import time

import pytest

from cloud import ROOT, Waferd, get, post

MODEL = "llama-3.1-8b"
SPEED = 20  # emulated seconds a second: a wafer that is repaired comes back after some


@pytest.fixture(name="server")
def start_server(tmp_path):
    text = (ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models"))
    path = tmp_path / "fast.yaml"
    path.write_text(text.replace("kind: real, scale: 1", f"kind: real, scale: {SPEED}"))
    with Waferd(path) as server:
        yield server


def break_(server, fault, **fields):
    post(server.http, "/admin/faults", {"model": MODEL, "index": 0, "fault": fault, **fields})


def alive(server):
    load = json.loads(get(server.http + "/admin/load"))
    return next(model for model in load["models"] if model["model"] == MODEL)["units"][0]["alive"]


def seconds_until_alive(server, limit):
    begun = time.monotonic()
    while time.monotonic() - begun < limit:
        if alive(server):
            return time.monotonic() - begun
        time.sleep(0.01)
    return None


def test_a_unit_that_is_lost_during_its_repair_stays_lost(server):
    break_(server, "wafer")
    assert not alive(server)
    repair = seconds_until_alive(server, 20)
    assert repair is not None
    break_(server, "wafer")
    break_(server, "unit_lost")
    assert seconds_until_alive(server, 2 * repair + 1) is None
    break_(server, "unit_back")
    assert alive(server)


def test_the_later_of_two_repairs_ends_an_outage(server):
    break_(server, "wafer")
    repair = seconds_until_alive(server, 20)
    assert repair is not None
    break_(server, "wafer")
    time.sleep(repair / 2)
    break_(server, "core")
    # The core's repair alone would be shorter; the wafer's is still under way.
    assert seconds_until_alive(server, 20) > repair / 4
