"""What waferd says of a configuration without serving it: every fault at once, where each value came from, what a field is."""

import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from cloud import BIN, ROOT

DEMO = (ROOT / "deploy/config/demo.yaml").read_text().replace("../models", str(ROOT / "deploy/models"))


def waferd(*words, env=None):
    return subprocess.run([str(BIN / "waferd"), *map(str, words)], capture_output=True, text=True, timeout=60, cwd=ROOT, env=env)


def check(folder, text, *words, env=None):
    path = folder / "server.yaml"
    path.write_text(text)
    return waferd("--check-config", "--config", path, *words, env=env)


def line_of(text, part):
    return text[:text.index(part)].count("\n") + 1


def test_the_reference_is_what_the_readers_ask():
    done = waferd("--explain", "all")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs/configuration.md").read_text(), "build/bin/waferd --explain all > docs/configuration.md"
    assert not re.search(r"\|\s+\|$", done.stdout, re.M), "a field without a word of what it does"


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_here_are_right(path):
    done = waferd("--check-config", "--config", path)
    assert done.returncode == 0, done.stderr
    assert ": ok, serves " in done.stdout


def test_equal_ports_of_a_file_are_refused_unless_flags_replace_them(tmp_path):
    text = DEMO.replace("http_port: 8080, grpc_port: 50051", "http_port: 9000, grpc_port: 9000")
    refused = check(tmp_path, text)
    assert refused.returncode == 1 and "listen.grpc_port: is 9000, as listen.http_port; each needs a port of its own" in refused.stderr
    assert check(tmp_path, text, "--http-port", "0").returncode == 0
    both = check(tmp_path, text, "--http-port", "9001", "--grpc-port", "9001")
    assert both.returncode == 1 and "is 9001" in both.stderr and "--grpc-port replace" in both.stderr


class Plain(yaml.SafeLoader):
    """As waferd reads it: no dates."""


Plain.yaml_implicit_resolvers = {first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
                                 for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def test_the_schema_accepts_the_configurations_here_and_refuses_a_misspelling():
    schema = json.loads(waferd("--explain", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = [yaml.load(path.read_text(), Plain) for path in sorted((ROOT / "deploy/config").glob("**/*.yaml")) if path.parent.name != "fleets"]
    served = [file for file in files if "models" in file]
    assert len(served) >= 3
    for file in served:
        assert [error.message for error in validator.iter_errors(file)] == []
    for old, new, words in [("http_port: 8080", "http_prot: 8080", "'http_prot' was unexpected"), ("http_port: 8080", "http_port: 80800", "greater than the maximum"),
                            ("kind: real", "kind: rael", "is not one of ['real', 'stepped']"), ("workers: 2}", "workers: 1.5}", "is not of type 'integer'"),
                            ("    shape: llama-3.1-70b\n", "", "'shape' is a required property"), ("clip_max_tokens: true", "clip_max_tokens: 1", "is not of type 'boolean'")]:
        assert old in DEMO
        errors = [error.message for error in validator.iter_errors(yaml.load(DEMO.replace(old, new, 1), Plain))]
        assert len(errors) == 1 and words in errors[0], errors
    # Every field of the reference is in it, and nothing else.
    def names(mapping):
        for name, field in mapping["properties"].items():
            yield name
            yield from names(field.get("items", field)) if "properties" in field.get("items", field) else ()
    reference = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/configuration.md").read_text(), re.M)
    assert set(reference) <= set(names(schema))


# What is replaced in the demo's file, by what, and the field and words that must be named on that line.
BROKEN = [
    ("http_port: 8080", "http_port: 80800", "listen.http_port", "[0, 65535]"),
    ("http_port: 8080", "http_prot: 8080", "listen.http_prot", "did you mean"),
    ("kind: real", "kind: rael", "clock.kind", "stepped"),
    ("scale: 1}", "scale: fast}", "clock.scale", "number"),
    ("scale: 1}", "arrival_grace_us: 5000}", "clock.arrival_grace_us", "not known"),
    ("clip_max_tokens: true", "clip_max_tokens: maybe", "clip_max_tokens", "true or false"),
    ("clip_max_tokens: true", "engine_api: {vllm: true}", "engine_api", "there are several"),
    ("clip_max_tokens: true", "engine_api: {vllm: true, model: other}", "engine_api", '"other" is not among the models'),
    ("shape: llama-3.1-70b", "shape: llama-3.1-700b", "models[2].shape", "llama-3.1-70b"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: h1000}", "models[2].prefill.hardware", "h100"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: wse-3}", "models[2].prefill.hardware", "wafer"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {workers: 2}", "models[2].prefill.hardware", "missing"),
    ("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: h100, workers: 0}", "models[2].prefill.workers", "[1, 131072]"),
    ("bytes_per_second: 2.0e+11", "bytes_per_second: -1", "models[2].link.bytes_per_second", "[1000, 1e+15]"),
    ("file: ../models/demo.gguf, shards: 2".replace("../models", str(ROOT / "deploy/models")), "file: none.gguf, shards: 2", "models[0].tokens.file", "none.gguf"),
    ("shards: 2, speculation", "shards: 99, speculation", "models[0].tokens.shards", "[1, "),
    ("speculation: draft, draft_file", "speculation: guess, draft_file", "models[0].tokens.speculation", "lookup"),
    ("name: llama-3.1-70b", "name: llama-3.1-8b", "models[2].name", "another model"),
    ("address: 127.0.0.1", "address: 127.0.0.300", "listen.address", "must be an IP address"),
    ("address: 127.0.0.1", "address: localhost", "listen.address", "must be an IP address"),
    ("address: 127.0.0.1", "address: 0.0.0.0", "listen", "neither api_keys nor tls"),
    ("grpc_port: 50051", "grpc_port: 50051, http_port: 1", "listen.http_port", "is given twice"),
    ("grpc_port: 50051", "hosts: example.org", "listen.hosts", "must be a list"),
    ("grpc_port: 50051", "hosts: [{host: example.org}]", "listen.hosts[0].host", "not known"),
    ("grpc_port: 50051", "admin_port: 1, admin_address: here", "listen.admin_address", "must be an IP address"),
    ("grpc_port: 50051", "admin_port: [1]", "listen.admin_port", "must be a finite number"),
    ("clock: {kind: real, scale: 1}", "clock: real", "clock", "must be a mapping"),
    ("scale: 1}", "scale: 0}", "clock.scale", "must lie in"),
    ("scale: 1}", "spin_us: -1}", "clock.spin_us", "must lie in"),
    ("clip_max_tokens: true", "unknown_fields: ignore", "unknown_fields", "warn"),
    ("clip_max_tokens: true", "limits: {connections: 0}", "limits.connections", "[1, 65536]"),
    ("clip_max_tokens: true", "limits: {mailbox: 1.5}", "limits.mailbox", "whole number"),
    ("clip_max_tokens: true", "limits: {body_bytes: 1}", "limits.body_bytes", "[1024, "),
    ("clip_max_tokens: true", "limits: {drain: 1}", "limits.drain", "did you mean 'drain_us'?"),
    ("clip_max_tokens: true", "api_keys: [{key: k}]", "api_keys[0].tenant", "is missing"),
    ("clip_max_tokens: true", "api_keys: {key: k, tenant: t}", "api_keys", "must be a list"),
    ("clip_max_tokens: true", "api_keys: [{key: k, tenant: t, may_operate: 1}]", "api_keys[0].may_operate", "true or false"),
    ("clip_max_tokens: true", "api_keys: [{key: k, tenant: t, requests_per_day: -1}]", "api_keys[0].requests_per_day", "[0, "),
    ("clip_max_tokens: true", "billing: {store: mysql://h}", "billing.store", "sqlite:"),
    ("clip_max_tokens: true", "billing: {durability: none}", "billing.durability", "process"),
    ("clip_max_tokens: true", "billing: {clock: emulated}", "billing", "needs the server's clock"),
    ("clip_max_tokens: true", "billing: {store_patience_ms: 1}", "billing.store_patience_ms", "[10, 600000]"),
    ("clip_max_tokens: true", "tls: {cert: c.pem}", "tls.key", "is missing"),
    ("clip_max_tokens: true", "tls: {cert: c.pem, key: k.pem, trust_domain: d}", "tls.trust_domain", "without ca"),
    ("clip_max_tokens: true", "tls: {cert: c.pem, key: k.pem, client_certificates: required}", "tls.client_certificates", "needs ca"),
    ("clip_max_tokens: true", "cell: {name: c}", "cell.registry", "is missing"),
    ("clip_max_tokens: true", "cell: {name: c, registry: {kind: zookeeper}}", "cell.registry.kind", "etcd"),
    ("clip_max_tokens: true", "kv_events: [{topic: t}]", "kv_events[0].bind", "is missing"),
    ("context: 32768\n    prefill: {hardware: h100, workers: 2, devices", "context: -1\n    prefill: {hardware: h100, workers: 2, devices", "models[2].context", "[0, "),
    ("devices_per_worker: 4", "devices_per_worker: 65537", "models[2].prefill.devices_per_worker", "[1, 65536]"),
    ("devices_per_worker: 4", "step_tokens: 0", "models[2].prefill.step_tokens", "[1, "),
    ("devices_per_worker: 4", "cache: 4", "models[2].prefill.cache", "did you mean 'cache_tokens'?"),
    ("max_running: 64", "max_running: 0", "models[0].decode[0].max_running", "[1, 65536]"),
    ("max_running: 64", "kind: half", "models[0].decode[0].kind", "whole"),
    ("max_running: 64", "units: 0", "models[0].decode[0].units", "[1, 131072]"),
    ("max_running: 64", "devices_per_unit: 2", "models[0].decode[0]", "devices_per_unit has no effect on a wafer"),
    ("profile: vendor-2024, max_running: 64", "profile: vendor-2034", "models[0].decode[0].profile", "vendor-2024"),
    ("hardware: wse-3, profile: vendor-2024, max_running: 64", "hardware: wse-9, profile: vendor-2024", "models[0].decode[0].hardware", "wse-3"),
    ("latency_us: 10}\n    # The draft", "latency_us: -1}\n    # The draft", "models[0].link.latency_us", "[0, "),
    ("latency_us: 10}\n    # The draft", "shared: no}\n    # The draft", "models[0].link.shared", "true or false"),
    ("    # The draft", "    scheduling: {order: random}\n    # The draft", "models[0].scheduling.order", "deadline"),
    ("    # The draft", "    scheduling: {block_tokens: 0}\n    # The draft", "models[0].scheduling.block_tokens", "[1, 65536]"),
    ("    # The draft", "    scheduling: {draft: [{acceptance: 2}]}\n    # The draft",
     "models[0].scheduling.draft[0].acceptance", "[0, 1]"),
    ("from: shards", "from: shard", "models[0].tokens.from", "shards"),
    ("speculation: draft, draft_file", "speculation: lookup, draft_file", "models[0].tokens.draft_file", "not known"),
    ("shards: 2, speculation", "shards: 2, threads: 0, speculation", "models[0].tokens.threads", "[1, 256]"),
    ("shards: 2, speculation", "shards: 2, chat_template: none.jinja, speculation", "models[0].tokens.chat_template", "none.jinja"),
    ("shards: 2, speculation", "shards: 2, max_batch: 0, speculation", "models[0].tokens.max_batch", "[1, 4096]"),
    ("draft.gguf", "../config/demo.yaml", "models[0].tokens.draft_file", ""),
]


@pytest.mark.parametrize("old, new, field, words", BROKEN, ids=lambda text: str(text)[:32])
def test_a_fault_is_named_with_its_line_and_field(tmp_path, old, new, field, words):
    assert old in DEMO
    text = DEMO.replace(old, new, 1)
    done = check(tmp_path, text)
    assert done.returncode == 1
    faults = [line for line in done.stderr.splitlines() if f"{field}: " in line]
    assert len(faults) == 1 and words in faults[0], done.stderr
    assert f"server.yaml:{line_of(DEMO, old)}: " in faults[0], done.stderr


def test_there_are_sixty_broken_files():
    assert len(BROKEN) >= 60


def test_faults_of_fields_hide_none_of_files(tmp_path):
    text = DEMO.replace("http_port: 8080", "http_port: 80800").replace("shape: llama-3.1-70b", "shape: nothing").replace("draft.gguf", "lost.gguf")
    text = text.replace("prefill: {hardware: h100, workers: 2, devices_per_worker: 4}", "prefill: {hardware: h1000, workers: 0}")
    done = check(tmp_path, text)
    found = [line.split("server.yaml:")[1].split(": ")[:2] for line in done.stderr.splitlines() if "server.yaml:" in line]
    faulty = [("http_port", "listen.http_port"), ("draft.gguf", "models[0].tokens.draft_file"), ("shape: llama-3.1-70b", "models[2].shape"),
              ("devices_per_worker: 4", "models[2].prefill.hardware"), ("devices_per_worker: 4", "models[2].prefill.workers")]
    assert sorted(found) == sorted([str(line_of(DEMO, part)), field] for part, field in faulty), done.stderr


def test_all_faults_of_a_kind_come_at_once(tmp_path):
    fields = DEMO.replace("http_port: 8080", "http_port: 80800").replace("scale: 1}", "scale: fast}").replace("workers: 2}", "workers: 0}")
    done = check(tmp_path, fields)
    assert done.returncode == 1 and done.stderr.count("server.yaml:") == 4, done.stderr
    files = DEMO.replace("shape: llama-3.1-70b", "shape: nothing").replace("hardware: wse-3, profile: vendor-2024}", "hardware: wse-3, profile: unheard}")
    files = files.replace("draft.gguf", "lost.gguf")
    done = check(tmp_path, files)
    assert done.returncode == 1 and done.stderr.count("server.yaml:") >= 4, done.stderr


def test_a_model_that_does_not_fit_its_wafers_is_refused_with_the_arithmetic(tmp_path):
    text = DEMO.replace("decode: [{name: wafer, hardware: wse-3, profile: vendor-2024}]\n    link: {bytes_per_second: 2.0e+11", "decode: [{name: wafer, hardware: wse-3, profile: vendor-2024, wafers_per_unit: 1}]\n    link: {bytes_per_second: 2.0e+11")
    assert text != DEMO
    done = check(tmp_path, text)
    assert done.returncode == 1
    assert f"server.yaml:{line_of(text, 'wafers_per_unit: 1')}: models[2].decode[0]" in done.stderr, done.stderr


def test_overrides_reach_the_file_and_say_where_they_came_from(tmp_path):
    path = tmp_path / "server.yaml"
    path.write_text(DEMO)
    env = {"PATH": "/usr/bin:/bin", "WAFERLINE_SET_LISTEN__HTTP_PORT": "8099", "WAFERLINE_SET_MODELS__0__PREFILL__WORKERS": "5"}
    done = waferd("--print-config", "--config", path, "--set", "models.0.prefill.workers=3", "--set", "limits.drain_us=5000", env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "listen.http_port: 8099  # environment" in lines
    assert "models[0].prefill.workers: 3  # --set" in lines
    assert "limits.drain_us: 5000  # --set" in lines
    assert "clock.spin_us: 60  # default" in lines
    assert f"models[0].shape: llama-3.1-8b  # {path}" in lines
    done = waferd("--check-config", "--config", path, "--set", "models.0.prefill.wrokers=3")
    assert done.returncode == 1 and "did you mean 'workers'" in done.stderr.replace('"', "'"), done.stderr
    assert "waferd: --set models.0.prefill.wrokers: is not known here" in done.stderr, done.stderr
    done = waferd("--check-config", "--config", path, "--set", "nothing")
    assert done.returncode == 2 and "is not FIELD=VALUE" in done.stderr
    for fields, error in [(("models.0.context=4096", "models.0.context=8192"), "--set: models.0.context is given twice"),
                          (("listen.http_port=1", "listen={}"), "--set: listen replaces listen.http_port, which was given before it"),
                          (("models.00.context=4096",), "--set models.00.context: index \"00\" out of range [0, 3)")]:
        done = waferd("--check-config", "--config", path, *[word for field in fields for word in ("--set", field)])
        assert done.returncode != 0 and error in done.stderr, done.stderr
    done = waferd("--check-config", "--config", path, env={**env, "WAFERLINE_SET_LISTEN__http_port": "8098"})
    assert done.returncode == 2 and "WAFERLINE_SET_: listen.http_port is given twice" in done.stderr, done.stderr


def test_a_field_is_explained_and_a_wrong_name_corrected():
    done = waferd("--explain", "models.0.prefill.workers")
    assert done.returncode == 0 and "whole number" in done.stdout and "[1, 131072]" in done.stdout and "default 1" in done.stdout
    done = waferd("--explain", "prefill.wrkers")
    assert done.returncode == 1 and "there is no field" in done.stderr


def test_a_fault_of_an_override_names_it_and_others_keep_their_lines(tmp_path):
    path = tmp_path / "server.yaml"
    path.write_text(DEMO.replace("http_port: 8080", "http_port: 80800"))
    env = {"PATH": "/usr/bin:/bin", "WAFERLINE_SET_MODELS__0__PREFILL__WORKERS": "two"}
    for flags in (["--check-config"], []):
        done = waferd(*flags, "--config", path, "--set", "limits={drain: 1}", "--set", "models.1.shape=nothing", env=env)
        assert done.returncode == 1
        assert f"{path}:{line_of(DEMO, 'http_port')}: listen.http_port: is 80800" in done.stderr, done.stderr
        assert "--set limits: limits.drain: is not known here" in done.stderr, done.stderr
        assert 'WAFERLINE_SET_MODELS__0__PREFILL__WORKERS: is "two", must be a finite number in [1, 131072]' in done.stderr, done.stderr
        assert not flags or "--set models.1.shape: " in done.stderr, done.stderr
    done = waferd("--check-config", "--config", path, "--set", "models.9.context=1")
    assert done.returncode == 1 and '--set models.9.context: index "9" out of range [0, 3)' in done.stderr, done.stderr


def test_a_wrong_speculation_makes_its_draft_file_no_fault(tmp_path):
    done = check(tmp_path, DEMO.replace("speculation: draft", "speculation: foo"))
    assert done.returncode == 1 and done.stderr.count("server.yaml:") == 1 and "tokens.speculation: " in done.stderr, done.stderr


def test_what_loading_a_model_would_refuse_is_found(tmp_path):
    path = tmp_path / "server.yaml"
    path.write_text(DEMO)
    done = waferd("--check-config", "--config", path, "--set", "models.0.tokens.tool_format=nope", "--set", "models.0.tokens.experts.over=4")
    assert done.returncode == 1
    assert "--set models.0.tokens.tool_format: there is no tool format 'nope'" in done.stderr
    assert "--set models.0.tokens.experts.over: is 4, must lie in [1, 1]" in done.stderr


def test_a_split_unit_is_checked_on_both_sides(tmp_path):
    old = "decode: [{name: wafer, hardware: wse-3, profile: vendor-2024}]\n    link: {bytes_per_second: 2.0e+11"
    split = "decode: [{name: split, kind: split, attention: {hardware: h200}, ffn: {hardware: wse-3, profile: vendor-2024}}]\n    link: {bytes_per_second: 2.0e+11"
    text = DEMO.replace(old, split)
    assert text != DEMO
    done = check(tmp_path, text)
    assert done.returncode == 0, done.stderr
    done = check(tmp_path, text.replace("attention: {hardware: h200}", "attention: {hardware: h2000}"))
    assert done.returncode == 1 and "decode[0].attention.hardware" in done.stderr, done.stderr


def test_a_collector_that_is_no_endpoint_is_found(tmp_path):
    for otlp in ("ftp://x:1", "http://", "127.0.0.1:99999", "http://h:4317/v1/traces"):
        done = check(tmp_path, DEMO + f'trace: {{otlp: "{otlp}"}}\n')
        assert done.returncode == 1 and f"trace.otlp: '{otlp}' is not an endpoint" in done.stderr, done.stderr


def test_an_empty_text_and_bytes_that_are_not_text_are_named_as_such_once(tmp_path):
    for text, said in ((DEMO + 'kv_transfer: {key: ""}\n', "kv_transfer.key: must not be empty"), (DEMO + "kv_transfer: {key: []}\n", "kv_transfer.key: must be text"),
                       (DEMO.replace("shape: llama-3.1-70b", "shape: ''"), "models[2].shape: must not be empty"), (DEMO + "tls: /tmp\n", "tls: must be a mapping")):
        done = check(tmp_path, text)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr
    path = tmp_path / "server.yaml"
    path.write_bytes(b'"\\\xeb\x9b"\n')
    done = subprocess.run([BIN / "waferd", "--check-config", "--config", path, "--set", b"\xff\x9b=1"], capture_output=True, timeout=60)
    assert done.returncode == 1 and b"not YAML: unknown escape character: \xef\xbf\xbd" in done.stderr, done.stderr
    done.stderr.decode()  # which would raise an error


def test_certificates_that_cannot_be_used_are_found(tmp_path):
    done = check(tmp_path, DEMO + "tls: {cert: a.crt, key: a.key}\n")
    assert done.returncode == 1 and "tls.cert: " in done.stderr and "a.crt: No such file or directory" in done.stderr, done.stderr
    (tmp_path / "a.crt").write_text("x")
    done = check(tmp_path, DEMO + f"tls: {{cert: {tmp_path}/a.crt, key: a.key}}\n")
    assert done.returncode == 1 and "a.crt: no start line" in done.stderr, done.stderr
