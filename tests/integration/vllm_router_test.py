"""vLLM's router (vllm-router of PyPI) in front of two servers: it renders prompts and reads KV events, and sends a prompt to the server
that has its blocks. Skipped with a reason where the package cannot be had."""

import pathlib
import subprocess
import time
import urllib.request

import pytest

from cloud import ROOT, Metrics, Waferd, post
from etcd import free_port
from routers import vllm_router_program

BLOCK = 16


@pytest.fixture(name="program", scope="module")
def install_router():
    return vllm_router_program()


def config(folder, port):
    path = pathlib.Path(folder) / f"{port}.yaml"
    path.write_text(f"""
clock: {{kind: stepped}}
kv_events: [{{bind: "tcp://127.0.0.1:{port}"}}]
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1, cache_tokens: 65536}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    scheduling: {{block_tokens: {BLOCK}}}
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf}}
""")
    return path


def wait_for(url, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.read().decode()
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_a_prompt_goes_where_its_blocks_are(program, tmp_path):
    ports = [free_port(), free_port()]
    with Waferd(config(tmp_path, ports[0])) as first, Waferd(config(tmp_path, ports[1])) as second:
        door, metrics = free_port(), free_port()
        sources = [f"{server.http}=tcp://127.0.0.1:{port}" for server, port in zip((first, second), ports)]
        command = [program, "--host", "127.0.0.1", "--port", str(door), "--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics),
                   "--worker-urls", first.http, second.http, "--policy", "kv_aware", "--kv-event-block-size", str(BLOCK),
                   "--kv-event-model", "demo"]
        for source in sources:
            command += ["--kv-event-source", source]
        with open(tmp_path / "log", "wb") as log:
            router = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{door}/health")
            url = f"http://127.0.0.1:{door}"

            def found(prompt):
                body = {"model": "demo", "prompt": prompt, "max_tokens": 4, "temperature": 0}
                return post(url, "/v1/completions", body)["usage"]["prompt_tokens_details"]["cached_tokens"]

            def published():
                return sum(Metrics(server.http).sum("waferline_kv_event_batches_total") for server in (first, second))

            # The first request of a prompt finds nothing; the second one finds its blocks, for the router knows where they are. In turn over
            # two servers none would, at random half of them. It may read the first events too late: then new prompts are sent.
            again = {}
            for attempt in range(6):
                prompts = [f"{attempt} and {number} lanterns hung in the ferryman's boat, one for each of his daughters. " * 4 for number in range(8)]
                for prompt in prompts:
                    before = published()
                    assert found(prompt) < BLOCK
                    wait_until(lambda before=before: published() > before, "no event was published")
                again[attempt] = [found(prompt) for prompt in prompts]
                if min(again[attempt]) >= BLOCK:
                    break
            print(f"found again of 8 prompts, by attempt: {again}")
            assert min(again[attempt]) >= BLOCK, (again, (tmp_path / "log").read_text()[-3000:])
        finally:
            router.terminate()
            router.wait(20)
