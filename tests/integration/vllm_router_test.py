"""vLLM's router (vllm-router of PyPI) in front of two servers: it renders prompts and reads KV events, and sends a prompt to the server
that has its blocks. Skipped with a reason where the package cannot be had."""

import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from cloud import ROOT, Waferd, post
from etcd import free_port

VERSION = "0.1.17"
BLOCK = 16
PROMPTS = ["The baker of the village rose early and lit the oven before the first cart. " * 4,
           "A ferryman kept three lanterns in his boat, one for each of his daughters. " * 4,
           "The mill had not turned since the miller went to sea in a flour barrel. " * 4]


@pytest.fixture(name="program", scope="module")
def installed(tmp_path_factory):
    if found := shutil.which("vllm-router"):
        return found
    folder = tmp_path_factory.mktemp("router")
    venv = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True)
    done = subprocess.run([folder / "bin/pip", "install", "-q", f"vllm-router=={VERSION}"], capture_output=True)
    if venv.returncode or done.returncode:
        pytest.skip("vllm-router is not installed and PyPI does not have it")
    return folder / "bin/vllm-router"


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
            hits = {number: [] for number in range(len(PROMPTS))}
            for _ in range(6):
                for number, prompt in enumerate(PROMPTS):
                    body = {"model": "demo", "prompt": prompt, "max_tokens": 4, "temperature": 0}
                    usage = post(url, "/v1/completions", body)["usage"]
                    hits[number].append(usage["prompt_tokens_details"]["cached_tokens"])
                time.sleep(0.3)  # for the events to arrive
            # The first request of a prompt finds nothing; from then on the router knows where its blocks are. In turn over two servers
            # the second request of each of three prompts would find nothing either.
            for found in hits.values():
                assert found[0] == 0 and min(found[1:]) >= BLOCK, (hits, (tmp_path / "log").read_text()[-3000:])
        finally:
            router.terminate()
            router.wait(20)
