"""schemathesis over OpenAI's public description of its API (openai/openai-openapi on GitHub, openapi.json): requests made from what OpenAI
describes, for the routes that waferd serves: no 5xx, and every answer of a status that OpenAI describes has the shape that it describes.
WAFERLINE_OPENAI_DESCRIPTION names the file; skipped without it, as that is not a package of a registry."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from cloud import Waferd
from openapi_test import install_tool  # noqa: F401

ROUTES = ["/chat/completions", "/completions", "/embeddings", "/models", "/models/{model}", "/responses", "/responses/{response_id}",
          "/responses/{response_id}/input_items", "/files", "/files/{file_id}", "/files/{file_id}/content", "/batches", "/batches/{batch_id}",
          "/batches/{batch_id}/cancel"]
# What OpenAI keeps or changes and waferd does not: stored chats, models that may be deleted.
LEFT_OUT = [("/chat/completions", "get"), ("/models/{model}", "delete")]
CHECKS = "not_a_server_error,response_schema_conformance"


def reduced(description, model):
    """The routes that are served. Requests ask for a model that is there and for a few tokens, so that many are answered."""
    paths = {path: description["paths"][path] for path in ROUTES}
    for path, method in LEFT_OUT:
        paths[path].pop(method)
    # Its one description of an error without {"error": ...} around it, which OpenAI's own clients expect.
    paths["/responses/{response_id}"]["delete"]["responses"].pop("404", None)
    schemas = description["components"]["schemas"]

    def sharpen(schema):
        for part in schema.get("allOf", []):
            sharpen(schemas[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part)
        properties = schema.get("properties", {})
        if "model" in properties:
            properties["model"] = {"type": "string", "enum": [model]}
        if "encoding_format" in properties:
            properties["encoding_format"] = {"type": "string", "enum": ["float"]}  # base64 is taken, and not described in answers
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
            if name in properties:
                properties[name] = {"type": "integer", "minimum": 1, "maximum": 16}

    for path in ("/chat/completions", "/completions", "/embeddings", "/responses"):
        [schema] = [body["schema"] for kind, body in paths[path]["post"]["requestBody"]["content"].items() if kind == "application/json"]
        sharpen(schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema)
    return {**description, "paths": paths}


@pytest.fixture(name="description", scope="module")
def read_description():
    path = os.environ.get("WAFERLINE_OPENAI_DESCRIPTION")
    if not path:
        pytest.skip("WAFERLINE_OPENAI_DESCRIPTION does not name OpenAI's openapi.json")
    return json.loads(pathlib.Path(path).read_text())


def test_what_openai_describes_is_answered_as_it_describes(description, tool, tmp_path):
    with Waferd("deploy/config/demo.yaml", "--state-dir", str(tmp_path)) as server:
        file = tmp_path / "openai.json"
        file.write_text(json.dumps(reduced(description, "waferline-demo")))
        done = subprocess.run([str(tool), "run", str(file), "--url", server.http + "/v1", "-c", CHECKS, "--phases", "examples,fuzzing",
                               "-n", "40", "--continue-on-failure", "--generation-deterministic", "--request-timeout", "60", "--no-color"],
                              capture_output=True, text=True, timeout=1700, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 200, done.stdout[-2000:]
