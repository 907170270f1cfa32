"""A server with tenants, keys and a price book, and calls of it as an administrator (key "root") or a tenant."""

import json
import urllib.error
import urllib.request

import pytest

from cloud import ROOT, Waferd
from postgres import Sqlite

CONFIG = """
billing: {{store: "{url}", prices: {prices}}}
{keys}
models:
  - name: m
    shape: llama-3.1-8b
    context: 2048
    prefill: {{hardware: h100, workers: 2}}
    decode: [{{name: wafer, hardware: wse-3, profile: vendor-2024}}]
    link: {{bytes_per_second: 5.0e+10, latency_us: 10}}
    tokens: {{from: cheap, file: {model}}}
  - name: other
    shape: llama-3.1-8b
    context: 2048
    prefill: {{hardware: h100, workers: 1}}
    decode: [{{name: wafer, hardware: wse-3, profile: vendor-2024}}]
    link: {{bytes_per_second: 5.0e+10, latency_us: 10}}
    tokens: {{from: cheap, file: {model}}}
"""
# $1 and $2 a million tokens: 1 and 2 microdollars a token.
PRICES = """
currency: USD
versions:
  - effective: 2026-01-01T00:00:00Z
    models: [{name: "*", input: "1", output: "2"}]
    plans: [{name: payer, prepaid: true}]
"""
YAML_KEYS = "api_keys: [{key: root, tenant: operators, may_operate: true}, {key: old, tenant: acme, requests_per_day: 1000}]"


def config(folder, database, keys=YAML_KEYS):
    (folder / "prices.yaml").write_text(PRICES)
    path = folder / "accounts.yaml"
    path.write_text(CONFIG.format(url=database.url, prices="./prices.yaml", keys=keys, model=ROOT / "deploy/models/demo.gguf"))
    return path


def call(server, method, path, body=None, key="root"):
    """(status, JSON, headers)"""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(server.http + path, json.dumps(body).encode() if body is not None else None,
                                     {"content-type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def complete(server, key, max_tokens=5, model="m"):
    return call(server, "POST", "/v1/completions", {"model": model, "prompt": "Once upon a time", "max_tokens": max_tokens}, key)


@pytest.fixture
def cloud(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database)) as server:
        yield server, database


def new_key(server, **fields):
    status, made, _ = call(server, "POST", "/admin/keys", {"tenant": "acme", **fields})
    assert status == 200, made
    return made
