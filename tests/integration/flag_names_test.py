"""What a server refuses is said in the words of the command line: by the flag that was typed, and with what to write instead."""

import pytest

from cloud import Waferd, waferctl

MODEL = "llama-3.1-8b"


@pytest.fixture(name="server", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


def test_what_broke_is_named_by_the_flag_that_was_typed(server):
    done = waferctl("faults", "send", "wafer", "--model", MODEL, "--place", 7, "--server", server.http)
    assert done.returncode != 0
    assert "--place" in done.stderr
    done = waferctl("faults", "send", "unit_slow", "--model", MODEL, "--server", server.doors["grpc"])
    assert done.returncode != 0
    assert "--factor" in done.stderr


def test_a_bound_of_the_model_is_named_by_its_flag(server):
    done = waferctl("complete", "hello", "--model", MODEL, "--max-tokens", 10**8, "--server", server.doors["grpc"])
    assert done.returncode != 0
    assert "--max-tokens" in done.stderr, done.stderr


def test_http_at_the_grpc_port_says_what_to_write(server):
    done = waferctl("models", "--server", "http://" + server.grpc)
    assert done.returncode != 0
    assert "grpc://" in done.stderr, done.stderr
