"""The page at / and what it draws: its files, the stream of looks at the cloud, and what a viewer costs."""

import gzip
import http.client
import json
import re
import time
import urllib.error
import urllib.request

import pytest

from cloud import ROOT, Metrics, Waferd, cpu_seconds, get, post, waferctl

MODEL = "waferline-demo"
MAX_PAGE_BYTES = 300_000  # compressed, all files together
MAX_VIEWER_SHARE = 0.01  # of a core


@pytest.fixture(name="server", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server


def looks(url, path="/admin/live", key=None):
    """Yields what a viewer gets."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        assert reply.getheader("content-type") == "text/event-stream"
        for line in reply:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
    finally:
        connection.close()


def look_until(url, wanted, seconds=20):
    ended = time.monotonic() + seconds
    for look in looks(url):
        if wanted(look):
            return look
        assert time.monotonic() < ended, "no look is as it should be"
    raise AssertionError("the stream ended")


def model_of(look, name=MODEL):
    return next(model for model in look["models"] if model["model"] == name)


def test_every_file_that_the_page_names_is_served_by_this_server_and_small(server):
    index = get(server.http + "/")
    names = set(re.findall(r'(?:href|src)="(/page/[\w.]+)"', index))
    seen, total = set(), len(gzip.compress(index.encode()))
    while names - seen:
        name = (names - seen).pop()
        seen.add(name)
        with urllib.request.urlopen(server.http + name, timeout=10) as reply:
            body = reply.read()
            assert "default-src 'none'" in reply.headers["content-security-policy"]
        total += len(gzip.compress(body))
        names |= {"/page/" + one for one in re.findall(r'from "\./([\w.]+)"', body.decode())}
        assert not re.search(rb"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", body), name
        assert b"innerHTML" not in body, name
    assert {"/page/" + path.name for path in (ROOT / "server/http/page").iterdir()} == seen | {"/page/index.html"}
    assert total < MAX_PAGE_BYTES
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(server.http + "/page/none.js", timeout=10)
    assert missing.value.code == 404


def test_a_look_has_every_stage_that_the_layout_draws(server):
    layout = {model["model"]: model for model in json.loads(get(server.http + "/admin/layout"))["models"]}
    look = next(looks(server.http))
    assert set(layout) == {model["model"] for model in look["models"]}
    for model in look["models"]:
        drawn = layout[model["model"]]["units"]
        assert [unit["name"] for unit in model["units"]] == [unit["name"] for unit in drawn]
        stages = drawn[0]["stages"]
        for live, unit in zip(model["units"], drawn):
            assert [stage["stage"] for stage in stages if stage["label"] != "emb"] == list(range(len(live["stage_busy_us"])))
            columns, rows = unit["mesh"]
            for stage in stages:
                left, top, width, height = stage["region"]
                assert 0 <= left and left + width <= columns and 0 <= top and top + height <= rows
                assert stage["place"] < unit["places"]
            assert len(unit["wafers"]) == unit["places"]
            grid_columns, grid_rows = unit["grid"]
            for wafer in unit["wafers"]:
                assert all(column < grid_columns and row < grid_rows for column, row, _ in wafer["defects"])
                assert wafer["dead_cores"] + wafer["dead_links"] >= len(wafer["defects"]) - 2 > 0


def test_a_request_is_seen_with_its_phases_and_what_it_made(server):
    before = model_of(next(looks(server.http)))
    body = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 40, "ignore_eos": True}
    answer = post(server.http, "/v1/completions", body)
    look = look_until(server.http, lambda look: model_of(look)["finished"] > before["finished"])
    assert model_of(look)["tokens"] == before["tokens"] + 40
    request = next(one for one in look["requests"] if one["model"] == MODEL and one.get("end"))
    assert request["end"] == "length" and request["tokens"] == 40
    assert request["prompt_tokens"] == answer["usage"]["prompt_tokens"]
    assert sum(request["phases_ms"]) == pytest.approx(request["ended_ms"] - request["arrival_ms"], abs=0.01)
    assert request["arrival_ms"] < request["first_token_ms"] <= request["ended_ms"] + 0.01
    assert sum(request["phases_ms"]) == pytest.approx(1e3 * answer["time_info"]["total_time"], abs=0.01)


def test_traffic_is_listed_by_tenant_and_how_late_tokens_are(tmp_path):
    keys = {"red": "red-key-0123456789abc", "blue": "blue-key-0123456789ab", "ops": "ops-key-0123456789abc"}
    path = tmp_path / "keys.yaml"
    listed = ", ".join(f"{{key: {key}, tenant: {tenant}{', may_operate: true' if tenant == 'ops' else ''}}}" for tenant, key in keys.items())
    path.write_text(f"api_keys: [{listed}]\n" + (ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models")))
    path.chmod(0o600)
    with Waferd(path) as server:
        def ask(tenant, model, tokens):
            body = json.dumps({"model": model, "prompt": "Once", "max_tokens": tokens, "ignore_eos": True}).encode()
            request = urllib.request.Request(server.http + "/v1/completions", body, {"content-type": "application/json", "authorization": f"Bearer {keys[tenant]}"})
            urllib.request.urlopen(request, timeout=60).read()
        late, seen = 0, {}
        stream = looks(server.http, key=keys["ops"])
        next(stream)
        for tenant, model, tokens in (("red", MODEL, 30), ("red", "llama-3.1-8b", 20), ("blue", MODEL, 10), ("blue", MODEL, 5)):
            ask(tenant, model, tokens)
        for look in stream:
            late += model_of(look)["lateness_us"][2]
            seen = {(one["tenant"], model["model"]): one for model in look["models"] for one in model["tenants"]}
            if look["finished"] == 4 and late == 45:
                break
        counted = Metrics(server.http)
    assert {key: (one["tokens"], one["finished"], one["waiting"], one["running"]) for key, one in seen.items()} == {
        ("red", MODEL): (30, 1, 0, 0), ("red", "llama-3.1-8b"): (20, 1, 0, 0), ("blue", MODEL): (15, 2, 0, 0)}
    name = "waferline_token_lateness_seconds"
    for model in (MODEL, "llama-3.1-8b"):
        requests = [one for one in look["requests"] if one["model"] == model]
        assert sum(one["late_tokens"] for one in requests) == counted.sum(name + "_count", model_name=model) - counted.sum(name + "_bucket", model_name=model, le="0.001")
        assert all((one["max_lateness_ms"] > 1) == (one["late_tokens"] > 0) for one in requests)


def test_a_refused_request_is_listed_with_why(server):
    post(server.http, "/admin/faults", {"fault": "worker_lost", "model": "llama-3.1-70b", "index": 0})
    post(server.http, "/admin/faults", {"fault": "worker_lost", "model": "llama-3.1-70b", "index": 1})
    with pytest.raises(urllib.error.HTTPError):
        post(server.http, "/v1/completions", {"model": "llama-3.1-70b", "prompt": "x", "max_tokens": 1})
    look = look_until(server.http, lambda look: any(one.get("end") == "refused" for one in look["requests"]))
    assert next(one for one in look["requests"] if one.get("end") == "refused")["why"] == "no_device"
    for index in (0, 1):
        post(server.http, "/admin/faults", {"fault": "worker_back", "model": "llama-3.1-70b", "index": index})


def test_faults_are_seen_and_repairs_too(server):
    orders = [({"fault": "unit_lost"}, lambda unit: not unit["alive"]), ({"fault": "unit_back"}, lambda unit: unit["alive"]),
              ({"fault": "unit_slow", "factor": 3}, lambda unit: unit["slowdown"] == 3), ({"fault": "unit_slow", "factor": 1}, lambda unit: unit["slowdown"] == 1),
              ({"fault": "stage_slow", "stage": 2, "factor": 4}, lambda unit: unit["slow_stages"] == [1, 1, 4]),
              ({"fault": "link_speed", "factor": 0.25}, lambda unit: unit["link_share"] == 0.25),
              ({"fault": "link_speed", "factor": 1}, lambda unit: unit["link_share"] == 1)]
    for order, seen in orders:
        post(server.http, "/admin/faults", {"model": "llama-3.1-8b", "index": 0, **order})
        look_until(server.http, lambda look, seen=seen: seen(model_of(look, "llama-3.1-8b")["units"][0]))


def measure(pid, seconds):
    begun, used = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - used) / (time.monotonic() - begun)


def test_a_viewer_costs_less_than_a_hundredth_of_a_core(server):
    """The look is made once for all viewers, so the first is the most expensive; the server has ended requests to list."""
    waferctl("bench", "run", "--server", server.http, "--model", MODEL, "--num-prompts", 64, "--concurrency", 8, "--output-tokens", 4)
    idle = measure(server.pid, 4)
    connections = []
    for _ in range(8):
        connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=20)
        connection.request("GET", "/admin/live")
        connections.append((connection, connection.getresponse()))
    time.sleep(1)
    watched = measure(server.pid, 6)
    for connection, _ in connections:
        connection.close()
    share = (watched - idle) / len(connections)
    print(f"idle {100 * idle:.2f} % of a core, {len(connections)} viewers {100 * watched:.2f} %: {100 * share:.3f} % a viewer")
    assert share < MAX_VIEWER_SHARE


def test_the_streams_are_bounded(server):
    connections, codes = [], []
    for _ in range(66):
        connection = http.client.HTTPConnection(server.http.removeprefix("http://"), timeout=20)
        connection.request("GET", "/admin/live")
        reply = connection.getresponse()
        codes.append(reply.status)
        connections.append((connection, reply))
    for connection, _ in connections:
        connection.close()
    assert codes.count(503) >= 2 and codes[0] == 200 and set(codes) == {200, 503}


def test_the_description_names_what_is_served(server):
    described = json.loads(get(server.http + "/openapi.json"))
    assert described["info"]["version"] == json.loads(get(server.http + "/version"))["version"]
    page = get(server.http + "/docs")
    for path, methods in described["paths"].items():
        assert path in page
        for method in methods:
            if path in ("/admin/live", "/v1/responses/{id}", "/v1/responses/{id}/input_items") or method != "get":
                continue
            if path.startswith(("/admin/tenants", "/admin/keys", "/admin/quotas", "/admin/invoices", "/admin/ledger", "/v1/organization/", "/v1/files", "/v1/batches")):
                with pytest.raises(urllib.error.HTTPError) as refused:  # this server keeps no records
                    query = "?start_time=0" if path.endswith(("completions", "costs")) else ""
                    urllib.request.urlopen(server.http + path.replace("{id}", "acme:2026-06") + query, timeout=10)
                assert refused.value.code == 400 and "--state-dir" in refused.value.read().decode(), path
                continue
            with urllib.request.urlopen(server.http + path.replace("/page/{id}", "/page/main.js").replace("{id}", MODEL), timeout=10) as reply:
                assert reply.status == 200


def test_where_there_are_keys_only_operators_watch(tmp_path):
    text = (ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models"))
    path = tmp_path / "keys.yaml"
    path.write_text('api_keys: [{key: user-key-0123456789, tenant: a}, {key: ops-key-0123456789, tenant: b, may_operate: true}]\n' + text)
    path.chmod(0o600)
    with Waferd(path) as server:
        for key in (None, "user-key-0123456789"):
            request = urllib.request.Request(server.http + "/admin/live", headers={"authorization": f"Bearer {key}"} if key else {})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)
            assert refused.value.code in (401, 403)
        assert next(looks(server.http, key="ops-key-0123456789"))["state"] == "ready"
        assert "Waferline" in get(server.http + "/")
