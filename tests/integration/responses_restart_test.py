"""Responses that were stored in the usage database outlive the process."""

import json
import urllib.error
import urllib.request

import pytest

from cloud import ROOT, Waferd
from postgres import Postgres, Sqlite, programs

CONFIG = """
clock: {{kind: real, scale: 100}}
billing: {{store: "{url}"}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 2048
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{hardware: wse-3, profile: vendor-2024}}]
    tokens: {{from: cheap, file: {model}}}
"""


def ask(server, method, path, body=None):
    request = urllib.request.Request(server.http + path, None if body is None else json.dumps(body).encode(),
                                     {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def respond(server, text, **fields):
    code, response = ask(server, "POST", "/v1/responses", {"model": "m", "input": text, "max_output_tokens": 8, "seed": 1, **fields})
    assert code == 200, response
    return response


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_conversation_goes_on_after_a_restart(kind, tmp_path):
    if kind == "postgres" and programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() if kind == "postgres" else Sqlite() as database:
        config = tmp_path / "responses.yaml"
        config.write_text(CONFIG.format(url=database.url, model=ROOT / "deploy/models/demo.gguf"))
        with Waferd(config) as server:
            first = respond(server, "Hello.")
            second = respond(server, "Go on.", previous_response_id=first["id"])
            gone = respond(server, "Forget this.")
            unkept = respond(server, "Do not keep this.", store=False)
            assert ask(server, "DELETE", "/v1/responses/" + gone["id"]) == (
                200, {"id": gone["id"], "object": "response", "deleted": True})
            assert ask(server, "DELETE", "/v1/responses/" + gone["id"])[0] == 404
        with Waferd(config) as server:
            for response in (first, second):
                assert ask(server, "GET", "/v1/responses/" + response["id"]) == (200, response)
            for response in (gone, unkept):
                code, error = ask(server, "GET", "/v1/responses/" + response["id"])
                assert code == 404 and "is not stored here" in error["error"]["message"]
            again = respond(server, "Go on.", previous_response_id=first["id"])
            assert again["usage"]["input_tokens"] == second["usage"]["input_tokens"]
            assert again["output"][0]["content"] == second["output"][0]["content"]
            assert ask(server, "DELETE", "/v1/responses/" + first["id"])[0] == 200
            code, error = ask(server, "POST", "/v1/responses", {"model": "m", "input": "x", "previous_response_id": first["id"]})
            assert code == 400 and error["error"]["code"] == "previous_response_not_found"
        with Waferd(config) as server:
            assert ask(server, "GET", "/v1/responses/" + first["id"])[0] == 404
            assert ask(server, "GET", "/v1/responses/" + second["id"])[0] == 200
