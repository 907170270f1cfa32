"""A model file that is changed while it is served, or that holds numbers that are none: an error of the request, by name."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import time
import urllib.error

import pytest

from cloud import ROOT, Waferd, get, post

MODEL = ROOT / "deploy/models/demo.gguf"


def complete(url, model="waferline-demo", **fields):
    """Status and text, or the error's message."""
    try:
        body = {"model": model, "prompt": "Once", "temperature": 0, "max_tokens": 4, **fields}
        return 200, post(url, "/v1/completions", body)["choices"][0]["text"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]["message"]


def readiness(server):
    """What /ready says."""
    try:
        return get(server.http + "/ready").strip()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def one_model(folder, file):
    config = pathlib.Path(folder) / "one.yaml"
    config.write_text(f"""models:
  - name: mine
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: shards, file: {file}, threads: 1}}
""")
    return config


# What leaves the bytes as they were stops nothing.
HARMLESS = {"touched": lambda file: os.utime(file), "written again": lambda file: file.open("r+b").write(MODEL.read_bytes()),
            "touched and then cut": lambda file: os.utime(file)}


@pytest.mark.parametrize("how", HARMLESS)
def test_a_model_file_that_is_touched_while_it_is_served(tmp_path, how):
    file = tmp_path / "mine.gguf"
    shutil.copy(MODEL, file)
    with Waferd(one_model(tmp_path, file)) as server:
        text = complete(server.http, "mine")
        assert text[0] == 200
        time.sleep(0.02)
        HARMLESS[how](file)
        assert complete(server.http, "mine") == text
        if how == "touched and then cut":  # what it still reads is in memory since then
            os.truncate(file, 4096)
        assert complete(server.http, "mine", prompt="Once upon") == complete(server.http, "mine", prompt="Once upon")
        assert complete(server.http, "mine") == text


@pytest.mark.parametrize("how", ("cut", "rewritten", "renamed over"))
def test_a_model_file_that_changes_while_it_is_served(tmp_path, how):
    file = tmp_path / "mine.gguf"
    shutil.copy(MODEL, file)
    with Waferd(one_model(tmp_path, file)) as server:
        text = complete(server.http, "mine")
        assert text[0] == 200
        time.sleep(0.02)
        if how == "cut":
            os.truncate(file, 4096)
        elif how == "rewritten":
            shutil.copy(ROOT / "deploy/models/draft.gguf", file)
        else:
            shutil.copy(ROOT / "deploy/models/draft.gguf", tmp_path / "other")
            os.rename(tmp_path / "other", file)
        code, message = complete(server.http, "mine")
        if how == "renamed over":
            assert (code, message) == text
        else:
            assert code == 503 and str(file) in message and "changed while it is served" in message
            assert "changed while it is served" in readiness(server)
            shutil.copy(MODEL, file)
            assert complete(server.http, "mine") == text and readiness(server) == '{"status":"ready"}'
        assert get(server.http + "/live")


def test_a_copy_over_a_model_file_costs_no_more_than_a_retry(tmp_path):
    """`cp` empties the file, then writes it: what meets it torn is asked to come again; the others have the tokens that they had."""
    file = tmp_path / "mine.gguf"
    data = MODEL.read_bytes()
    file.write_bytes(data)
    with Waferd(one_model(tmp_path, file)) as server:
        text = complete(server.http, "mine")
        assert text[0] == 200
        time.sleep(0.02)
        with file.open("wb") as copy:  # stopped in the middle
            copy.write(data[:len(data) // 2])
            copy.flush()
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(server.http, "/v1/completions", {"model": "mine", "prompt": "Once", "max_tokens": 4})
            assert refused.value.code == 503 and float(refused.value.headers["retry-after"]) >= 1
            copy.write(data[len(data) // 2:])
        assert complete(server.http, "mine") == text
    with Waferd(one_model(tmp_path, file)) as server:
        copies = subprocess.Popen(["sh", "-c", 'for i in 1 2 3 4 5; do cp "$0" "$1"; done', MODEL, file])
        answers = []
        while copies.poll() is None or len(answers) < 5:
            answers.append(complete(server.http, "mine"))
        assert all(answer == text or answer[0] == 503 and "changed while it is served" in answer[1] for answer in answers), answers
        assert complete(server.http, "mine") == text and readiness(server) == '{"status":"ready"}'


def tensors_of(data):
    """Name -> (type, offset in the file, count) of a GGUF file's tensors."""
    at = 24
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def skip(kind):
        nonlocal at
        if kind == 8:
            at += 8 + struct.unpack_from("<Q", data, at)[0]
        elif kind == 9:
            element, count = struct.unpack_from("<IQ", data, at)
            at += 12
            for _ in range(count):
                skip(element)
        else:
            at += sizes[kind]

    tensors, pairs = struct.unpack_from("<QQ", data, 8)
    for _ in range(pairs):
        skip(8)
        at += 4
        skip(struct.unpack_from("<I", data, at - 4)[0])
    found = {}
    for _ in range(tensors):
        length = struct.unpack_from("<Q", data, at)[0]
        name = data[at + 8:at + 8 + length].decode()
        at += 8 + length
        rank = struct.unpack_from("<I", data, at)[0]
        dims = struct.unpack_from(f"<{rank}Q", data, at + 4)
        at += 4 + 8 * rank
        kind, offset = struct.unpack_from("<IQ", data, at)
        at += 12
        count = 1
        for dim in dims:
            count *= dim
        found[name] = (kind, offset, count)
    start = (at + 31) // 32 * 32
    return {name: (kind, start + offset, count) for name, (kind, offset, count) in found.items()}


def test_weights_that_are_no_numbers_are_an_error_that_names_the_model(tmp_path):
    data = bytearray(MODEL.read_bytes())
    kind, offset, count = tensors_of(data)["output_norm.weight"]
    assert kind == 0
    data[offset:offset + 4 * count] = struct.pack("<f", float("nan")) * count
    file = tmp_path / "nan.gguf"
    file.write_bytes(data)
    with Waferd(one_model(tmp_path, file)) as server:
        code, message = complete(server.http, "mine")
        assert code == 500 and 'model "mine"' in message and "not finite" in message
        assert get(server.http + "/ready")
