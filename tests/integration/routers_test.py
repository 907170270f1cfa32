"""What routers in front of several servers ask of one: the tokens of a prompt, whether it lives, how much it does, and an answer about the
transfer of KV that cannot be misunderstood."""

import json
import urllib.error
import urllib.request

import pytest

from cloud import ROOT, Waferd, get, post

CHAT = [{"role": "system", "content": "You are a baker."}, {"role": "user", "content": "Who is the baker of Larkhaven?"}]


@pytest.fixture(name="url", scope="module")
def serve():
    with Waferd(ROOT / "deploy/models/demo.gguf", "--name", "demo") as server:
        yield server.http


def test_prompts_are_rendered_as_requests_are_given_them(url):
    rendered = post(url, "/v1/chat/completions/render", {"model": "demo", "messages": CHAT})
    assert rendered == {"token_ids": post(url, "/tokenize", {"model": "demo", "messages": CHAT})["tokens"]}
    asked = post(url, "/v1/chat/completions", {"model": "demo", "messages": CHAT, "max_tokens": 4})
    assert asked["usage"]["prompt_tokens"] == len(rendered["token_ids"])
    several = post(url, "/v1/completions/render", {"model": "demo", "prompt": ["Once upon", "a time"], "max_tokens": 4})
    assert several == [{"token_ids": post(url, "/tokenize", {"model": "demo", "prompt": text})["tokens"]} for text in ("Once upon", "a time")]
    assert post(url, "/v1/completions/render", {"model": "demo", "prompt": [5, 6, 7]}) == [{"token_ids": [5, 6, 7]}]


def fault(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)
    return raised.value.code, json.loads(raised.value.read())["error"]


def test_a_prompt_that_is_too_long_is_refused_as_the_request_would_be(url):
    for path in ("/v1/completions", "/v1/completions/render"):
        code, error = fault(url, path, {"model": "demo", "prompt": [5] * 5000})
        assert (code, error["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("leg", [{"do_remote_decode": True, "do_remote_prefill": False, "remote_engine_id": None},
                                 {"do_remote_prefill": True, "remote_engine_id": "a", "remote_block_ids": [1]}])
@pytest.mark.parametrize("path, prompt", [("/v1/completions", {"prompt": "Once"}), ("/v1/chat/completions", {"messages": CHAT})])
def test_a_leg_of_split_prefill_and_decode_is_refused_by_name(url, leg, path, prompt):
    code, error = fault(url, path, {"model": "demo", "max_tokens": 1, "kv_transfer_params": leg, **prompt})
    assert (code, error["param"], error["code"]) == (400, "kv_transfer_params", "unsupported_parameter")


@pytest.mark.parametrize("nothing", [None, {}, {"do_remote_decode": False, "do_remote_prefill": False, "remote_host": None}])
def test_parameters_that_ask_for_no_transfer_are_taken(url, nothing):
    body = {"model": "demo", "prompt": "Once", "max_tokens": 2, "kv_transfer_params": nothing}
    assert post(url, "/v1/completions", body)["usage"]["completion_tokens"] == 2


def test_probes(url):
    assert get(url + "/load") in ({"server_load": 0}, b'{"server_load":0}', '{"server_load":0}')
    assert "ok" in str(get(url + "/ping"))
