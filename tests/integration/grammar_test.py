"""Constrained decoding against an independent validator: random schemas from a seed, texts drawn under their masks without a model,
then live ones through waferd. WAFERLINE_SCHEMAS sets how many schemas there are (1,000), WAFERLINE_SCHEMA_SEED which (1)."""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import cloud  # noqa: E402
from random_schemas import Schemas  # noqa: E402

jsonschema = pytest.importorskip("jsonschema")
COUNT = int(os.environ.get("WAFERLINE_SCHEMAS", "1000"))
SEED = int(os.environ.get("WAFERLINE_SCHEMA_SEED", "1"))
FORMATS = jsonschema.FormatChecker(["date", "ipv4", "ipv6", "email", "uuid"])
FORMATS.checks("time", ValueError)(lambda text: not isinstance(text, str) or datetime.time.fromisoformat(text))
FORMATS.checks("date-time", ValueError)(lambda text: not isinstance(text, str) or datetime.datetime.fromisoformat(text))
MODEL = ROOT / "deploy/models/demo.gguf"


def validate(text, schema, where):
    try:
        value = json.loads(text)
        jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        raise AssertionError(f"{where}: {text}\ndoes not satisfy {json.dumps(schema)}\n{error}") from error


def draw(specs):
    lines = "".join(json.dumps(spec) + "\n" for spec in specs)
    run = subprocess.run([cloud.BIN / "grammar_samples", MODEL], input=lines, capture_output=True, text=True, check=True, timeout=900)
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_texts_of_random_schemas_validate():
    schemas = [Schemas(SEED * 1_000_000 + i).document() for i in range(COUNT)]
    results = draw([{"kind": "json_schema", "schema": schema, "seed": i, "count": 3} for i, schema in enumerate(schemas)])
    refused = 0
    for i, (schema, result) in enumerate(zip(schemas, results)):
        if "error" in result:
            # Contradictions that the generator made by chance; each says so.
            assert "no text can satisfy it" in result["error"] or "restrict it" in result["error"], f"{schema}: {result['error']}"
            refused += 1
            continue
        for text in result["texts"]:
            validate(text, schema, f"WAFERLINE_SCHEMA_SEED={SEED}, schema {i}")
    assert refused < COUNT * 0.05
