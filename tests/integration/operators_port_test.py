"""Operators on a port of their own, names in Host, and both versions of IP."""

import json
import re
import urllib.error
import urllib.request

from cloud import ROOT, Waferd, get, post, waferctl


def demo_with(tmp_path, **listen):
    fields = ", ".join(f"{name}: {json.dumps(value)}" for name, value in listen.items())
    text = (ROOT / "deploy/config/demo.yaml").read_text().replace("../", f"{ROOT}/deploy/")
    config = tmp_path / "demo.yaml"
    config.write_text(re.sub(r"(?m)^listen: .*$", f"listen: {{{fields}}}", text))
    return config


def code_of(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_operators_have_their_own_port_if_they_are_given_one(tmp_path):
    with Waferd(demo_with(tmp_path, admin_port=0, hosts=[{"name": "api.example.org"}])) as server:
        operators = re.search(r"admin +(http://\S+)", server.log()).group(1)
        assert json.loads(get(operators + "/admin/server"))["models"]
        assert code_of(operators + "/") == 200  # the page, which asks for /admin/live
        assert code_of(operators + "/v1/models") == 404
        assert code_of(server.http + "/admin/server") == 404
        assert "waferline_host_http_connections" in get(operators + "/metrics")
        assert code_of(server.http + "/v1/models", host="api.example.org") == 200
        assert code_of(server.http + "/v1/models", host="evil.example.org") == 421
        done = waferctl("faults", "send", "unit-lost", "--model", "waferline-demo", "--server", server.doors["grpc"])
        assert done.returncode != 0


def test_both_versions_of_ip(tmp_path):
    with Waferd(demo_with(tmp_path, address="::", insecure=True)) as server:
        assert "http://[::1]:" in server.log()
        for url in (server.http, server.http.replace("127.0.0.1", "[::1]")):
            assert json.loads(get(url + "/admin/server"))["models"]
        assert post(server.http, "/v1/completions", {"model": "waferline-demo", "prompt": "a", "max_tokens": 2})
