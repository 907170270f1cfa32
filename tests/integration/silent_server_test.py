"""waferctl and a server that accepts and says nothing: every command that asks a server ends within its bound, and says what to do."""

import os
import signal
import socket
import time

import pytest

from cloud import ROOT, Waferd, waferctl

COMMANDS = (("models",), ("status",), ("top",), ("requests",), ("drain",), ("abort", "r-1"), ("usage",),
            ("faults", "send", "unit_lost", "--model", "m"), ("complete", "x"), ("complete", "x", "--model", "m"),
            ("chat", "--message", "x"), ("chat", "--message", "x", "--model", "m"),
            ("bench", "run", "--num-prompts", "1"), ("bench", "run", "--num-prompts", "1", "--model", "m"),
            ("bench", "sweep", "--rates", "1", "--num-prompts", "1", "--model", "m"),
            ("bench", "replay", "--trace", ROOT / "deploy/traces/chat-sample.jsonl"),
            ("tenants", "list"), ("keys", "list"), ("quotas", "list"), ("invoice", "list"), ("ledger", "balances"))
GRPC = ("models", "faults", "complete", "chat", "bench")


@pytest.fixture(name="silent", scope="module")
def accept_and_say_nothing():
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:  # the system accepts
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def ends_in_time(words, url):
    begin = time.monotonic()
    done = waferctl(*words, "--server", url, "--timeout", "0.5")
    assert done.returncode == 1, (words, done.stdout, done.stderr)
    assert url in done.stderr, done.stderr
    assert "--server URL" in done.stderr, done.stderr
    assert time.monotonic() - begin < 20
    return done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(str(word) for word in words[:4]))
def test_silent_from_the_start(silent, words):
    assert "nothing for 0.5 s" in ends_in_time(words, "http://" + silent)
    if words[0] in GRPC:
        ends_in_time(words, "grpc://" + silent)


def test_silent_after_it_has_answered_for_a_while():
    with Waferd("deploy/config/demo.yaml") as server:
        pid = server.process.pid
        for url in server.doors.values():
            assert waferctl("models", "--server", url, "--timeout", "30").returncode == 0
        os.kill(pid, signal.SIGSTOP)
        try:
            for url in server.doors.values():
                ends_in_time(("models",), url)
                ends_in_time(("complete", "x", "--model", "waferline-demo"), url)
        finally:
            os.kill(pid, signal.SIGCONT)
        for url in server.doors.values():
            assert waferctl("models", "--server", url, "--timeout", "30").returncode == 0


def test_the_bound_has_a_range():
    done = waferctl("models", "--timeout", "0")
    assert done.returncode == 2
    assert "--timeout" in done.stderr and "86400" in done.stderr


def test_a_registry_that_says_nothing(silent):
    begin = time.monotonic()
    done = waferctl("fleet", "--registry", "etcd=" + silent)
    assert done.returncode == 1, done.stderr
    assert silent in done.stderr, done.stderr
    assert time.monotonic() - begin < 30
