"""A server without enough descriptors, memory or disk: it says so, refuses what it has no room for, and serves again when there is.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error

import pytest

from cloud import BIN, ROOT, Metrics, Waferd, get, post, sanitized, waferctl

MODEL = ROOT / "deploy/models/demo.gguf"
DEMO = "deploy/config/demo.yaml"


def limited(limits, config=DEMO):
    """A waferd that bash starts after `ulimit LIMITS`."""
    server = Waferd(config)
    server.command = ["bash", "-c", f'ulimit {limits} && exec "$@"', "waferd", *server.command]
    return server


def complete(url, model="waferline-demo", **fields):
    """Status and text, or the error's message."""
    try:
        body = {"model": model, "prompt": "Once", "temperature": 0, "max_tokens": 4, **fields}
        return 200, post(url, "/v1/completions", body)["choices"][0]["text"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]["message"]


def over_grpc(server):
    return waferctl("complete", "Once", "--server", server.doors["grpc"], "--max-tokens", "4").returncode


def idle(url, count):
    """So many connections that say nothing, as far as they are taken."""
    port = int(url.rsplit(":", 1)[1])
    return [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(count)]


@pytest.mark.parametrize("limit", (64, 1024))
def test_few_descriptors(limit):
    with limited(f"-n {limit}") as server:
        assert "more file descriptors" in server.log()
        for url in (server.http, "http://" + server.grpc):
            sockets = idle(url, limit + 50)
            time.sleep(0.5)
            other = over_grpc(server) == 0 if url == server.http else complete(server.http)[0] == 200
            assert other, "the other port must have room of its own"
            for one in sockets:
                one.close()
            end = time.monotonic() + 5
            while over_grpc(server) != 0 or complete(server.http)[0] != 200:
                assert time.monotonic() < end
        metrics = Metrics(server.http)
        assert metrics.sum("waferline_host_grpc_connections") < 8


@pytest.mark.parametrize("flags", (["--config", DEMO], ["--role", "prefill", "--model", MODEL],
                                   ["--role", "shard", "--layers", "0:2", "--model", MODEL]), ids=("server", "prefill", "shard"))
def test_hardly_any_descriptors_are_refused_by_name(flags):
    done = subprocess.run(["bash", "-c", 'ulimit -n 12 && exec "$@"', "waferd", BIN / "waferd", *flags], capture_output=True,
                          text=True, timeout=30, cwd=ROOT)
    assert done.returncode == 1
    assert "only 12 file descriptors are allowed (ulimit -n)" in done.stderr


def test_a_server_without_memory_for_more_refuses_it(tmp_path):
    config = tmp_path / "small.yaml"
    text = (ROOT / DEMO).read_text().replace("../", f"{ROOT}/deploy/")
    config.write_text(text + "\nlimits: {memory_bytes: 1048576}\n")
    with Waferd(config) as server:
        code, message = complete(server.http)
        assert code == 503 and "memory is used up" in message and "limits.memory_bytes" in message
        assert over_grpc(server) != 0
        assert get(server.http + "/live")


@pytest.mark.skipif(sanitized(), reason="a sanitizer itself takes terabytes of addresses")
def test_an_address_space_limit_never_ends_the_server():
    with limited("-v 1600000") as server:
        port = int(server.http.rsplit(":", 1)[1])
        head = b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n"
        unfinished = []
        for _ in range(400):
            one = socket.create_connection(("127.0.0.1", port), timeout=5)
            unfinished.append(one)
            one.settimeout(0.2)
            try:
                one.sendall(head + b" " * 3_900_000)
            except OSError:
                pass  # refused
        assert server.process.poll() is None
        for one in unfinished:
            one.close()
        time.sleep(1)
        assert complete(server.http)[0] == 200


def test_alternatives_of_many_choices_are_bounded():
    with Waferd(DEMO) as server:
        code, message = complete(server.http, n=128, max_tokens=400, logprobs=20, temperature=1, ignore_eos=True)
        assert code == 400 and "alternatives of tokens" in message
        assert complete(server.http, n=2, logprobs=20)[0] == 200


@pytest.mark.parametrize("output", ("--port-file", "stdout"))
def test_a_full_disk_has_a_name(tmp_path, output):
    disk = tmp_path / "full"
    disk.symlink_to("/dev/full")  # not itself: the name could be replaced by a file
    flags = ["--port-file", disk] if output == "--port-file" else []
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.Popen([BIN / "waferd", "--config", DEMO, "--http-port", "0", "--grpc-port", "0", *flags], cwd=ROOT,
                                stdout=full if output == "stdout" else subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            stderr = done.communicate(timeout=20)[1] if output == "--port-file" else ""
        except subprocess.TimeoutExpired:
            stderr = ""
        if output == "--port-file":
            assert done.returncode == 1 and str(disk) in stderr
            assert disk.is_symlink()
        else:
            time.sleep(2)
            assert done.poll() is None  # a log that cannot be written is not a reason to end
        done.terminate()
        done.communicate(timeout=30)


def test_a_host_that_has_been_up_for_years_and_one_that_slept():
    namespace = ["unshare", "--user", "--map-root-user", "--time", "--monotonic", str(10 * 365 * 86400)]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no time namespaces here")
    server = Waferd(DEMO)
    server.command = [*namespace, *server.command]
    with server:
        text = complete(server.http)
        assert text[0] == 200
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(server.pid, signal.SIGCONT)
        assert complete(server.http) == text
        assert over_grpc(server) == 0
