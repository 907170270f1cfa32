"""A model whose template opens the reasoning: what it writes is reasoning_content, in the message and in the deltas."""

import json
import urllib.request

import pytest

from cloud import ROOT, Waferd, post

BODY = {"model": "demo", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": "Tell me a story about a fox."}]}


def config(folder):
    """Of a server whose model's template opens the reasoning."""
    demo = (ROOT / "deploy/models/demo.gguf").read_bytes()
    prompt, thinking = b"<|im_start|>assistant\\n' }}", b"<|im_start|>a<think>\\n'  }}"
    assert demo.count(prompt) == 1 and len(prompt) == len(thinking)
    (folder / "thinker.gguf").write_bytes(demo.replace(prompt, thinking))
    path = folder / "thinker.yaml"
    path.write_text(f"""
clock: {{kind: real, scale: 1000}}
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: shards, file: {folder}/thinker.gguf, shards: 1}}
""")
    return path


@pytest.fixture(name="url", scope="module")
def serve(tmp_path_factory):
    with Waferd(config(tmp_path_factory.mktemp("reasoning"))) as server:
        yield server.http


def stream(url, body):
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps({**body, "stream": True}).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = [line.removeprefix("data: ") for line in answer.read().decode().splitlines() if line.startswith("data: {")]
    return [choice["delta"] for line in lines for choice in json.loads(line)["choices"]]


def test_message_and_deltas_say_the_same(url):
    answer = post(url, "/v1/chat/completions", BODY)
    message = answer["choices"][0]["message"]
    assert message["reasoning_content"] and message["content"] == ""
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == answer["usage"]["completion_tokens"] == 8
    deltas = stream(url, BODY)
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == message["reasoning_content"]
    assert "".join(delta.get("content", "") for delta in deltas) == ""


def test_responses_and_messages_have_items_and_blocks_for_it(url):
    reasoning = post(url, "/v1/chat/completions", BODY)["choices"][0]["message"]["reasoning_content"]
    response = post(url, "/v1/responses", {"model": "demo", "temperature": 0, "max_output_tokens": 8, "input": BODY["messages"]})
    [item] = response["output"]
    assert item["type"] == "reasoning" and item["content"] == [{"type": "reasoning_text", "text": reasoning}]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == 8
    message = post(url, "/v1/messages", BODY)
    [block] = message["content"]
    assert block["type"] == "thinking" and block["thinking"] == reasoning
    assert message["stop_reason"] == "max_tokens"
    back = [*BODY["messages"], item, {"role": "user", "content": "Go on."}]
    assert post(url, "/v1/responses", {"model": "demo", "max_output_tokens": 4, "input": back})["output"]


def test_reasoning_is_left_out_if_asked(url):
    body = {**BODY, "include_reasoning": False}
    answer = post(url, "/v1/chat/completions", body)
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 8
    assert all("reasoning_content" not in delta for delta in stream(url, body))
