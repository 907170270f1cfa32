"""waferd MODEL: a model file served without a configuration, with its template, another one, or none."""

import json
import subprocess
import urllib.error

import pytest

from cloud import BIN, ROOT, Waferd, demo_with, get, post, waferctl

DEMO = ROOT / "deploy/models/demo.gguf"
QUESTION = {"messages": [{"role": "user", "content": "Who keeps the lighthouse?"}], "temperature": 0, "max_tokens": 24}
TEMPLATE_KEY = b"tokenizer.chat_template"


def entry(url):
    return json.loads(get(url + "/v1/models"))["data"][0]


def answer(url):
    return post(url, "/v1/chat/completions", {"model": entry(url)["id"], **QUESTION})["choices"][0]["message"]["content"]


def refusal(url):
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(url)
    return refused.value.code, json.loads(refused.value.read())["error"]["message"]


def fails(*words, says):
    done = subprocess.run([BIN / "waferd", *words, "--port", "0", "--grpc-port", "0"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert says in done.stderr


def test_a_model_file_is_served_by_one_command():
    with Waferd(DEMO, "--name", "village", "--shards", "3", "--context", "256", "--shape", "llama-3.1-8b") as server:
        model = entry(server.http)
        assert (model["id"], model["max_model_len"]) == ("village", 256)
        assert "on 3 shards; timed as llama-3.1-8b on 1 x wse-3" in model["waferline"]["description"]
        assert model["waferline"]["chat_template"] == "the model file's own"
        assert answer(server.http) == "Ada the lighthouse keeper lights the lamp every evening."
        assert "a context of 256 of the file's 1024 positions" in server.log()


def test_the_command_that_it_prints_works():
    with Waferd(DEMO) as server:
        printed = server.log().partition("curl -N")[2]
        command = "curl -sN" + printed.replace("\"stream\": true", "\"max_tokens\": 5")
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout)["usage"]["completion_tokens"] == 5


def test_the_text_is_the_same_whatever_the_shards():
    texts = set()
    for shards in ("1", "2", "4"):
        with Waferd(DEMO, "--shards", shards) as server:
            texts.add(answer(server.http))
    assert len(texts) == 1


def test_a_file_without_a_template_says_so(tmp_path):
    with Waferd(demo_with(tmp_path, TEMPLATE_KEY, b"tokenizer.chat_templatX")) as server:
        about = entry(server.http)["waferline"]
        assert (about["chat"], about["chat_template"]) == (False, None)
        code, message = refusal(server.http)
        assert code == 400 and about["no_chat_because"] in message
        assert "its file has no chat template" in message
        assert "no chat: its file has no chat template" in server.log()
        assert "/v1/completions" in server.log()
        assert post(server.http, "/v1/completions", {"model": entry(server.http)["id"], "prompt": "Once", "max_tokens": 4})["choices"]


def test_a_template_that_cannot_be_parsed_is_named_at_the_start(tmp_path):
    with Waferd(demo_with(tmp_path, b"{%", b"{{")) as server:
        assert "no chat: chat template (the model file's own): line 1" in server.log()
        assert refusal(server.http)[0] == 400


def test_another_template_by_name_and_by_file(tmp_path):
    bare = demo_with(tmp_path, TEMPLATE_KEY, b"tokenizer.chat_templatX")
    with Waferd(bare, "--chat-template", "chatml") as server:
        assert entry(server.http)["waferline"]["chat_template"] == "chatml"
        assert answer(server.http) == "Ada the lighthouse keeper lights the lamp every evening."
    mine = tmp_path / "mine.jinja"
    mine.write_text("{{ messages[0].content }}")
    with Waferd(DEMO, "--chat-template", mine) as server:
        assert entry(server.http)["waferline"]["chat_template"] == str(mine)
        counted = post(server.http, "/v1/chat/completions", {"model": entry(server.http)["id"], **QUESTION})["usage"]["prompt_tokens"]
        prompt = {"model": entry(server.http)["id"], "prompt": "Who keeps the lighthouse?", "max_tokens": 1}
        assert counted == post(server.http, "/v1/completions", prompt)["usage"]["prompt_tokens"]
    mine.write_text("{% if %}")
    fails(DEMO, "--chat-template", mine, says=f"chat_template: chat template ({mine}): line 1")
    fails(DEMO, "--chat-template", "chatlm", says="known: chatml, llama3")


def test_what_cannot_be_served_is_named():
    fails("none.gguf", says="cannot open model file none.gguf")
    fails(DEMO, "--shards", "5", says="shards: 5 is out of range [1, 4]")
    fails(DEMO, "--context", "2000", says="context is 2000, must lie in [1, 1024]")
    fails(DEMO, "--hardware", "wse3", says='hardware: "wse3" is not a built-in hardware file')
    fails(DEMO, "--hardware", "h100", "--profile", "open", says="have no effect on an accelerator")
    fails(DEMO, "--prefill", "wse-3", says="prefill.hardware: wse-3 is a wafer")


def test_make_serve_takes_a_model():
    done = subprocess.run(["make", "-n", "serve", "MODEL=a b.gguf"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert 'build/bin/waferd "a b.gguf"' in done.stdout
    assert "--config deploy/config/demo.yaml" in subprocess.run(["make", "-n", "serve"], capture_output=True, text=True, cwd=ROOT,
                                                                timeout=60).stdout


def test_waferctl_reads_what_waferd_serves():
    assert waferctl("model", "inspect", DEMO).stdout.startswith(f"{DEMO}: GGUF version 3, ")
