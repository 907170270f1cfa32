"""The chart, without a cluster: renderings of its example values are valid objects and what Helm makes of them, its schema refuses unknown
keys, what the pods would run is what waferd takes."""

import copy
import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from cloud import BIN, ROOT, waferctl
from programs import installed

CHART = ROOT / "deploy/helm/waferline"
EXAMPLES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def merged(base, more):
    for key, value in more.items():
        base[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


def values(example):
    own = yaml.safe_load((CHART / f"ci/{example}.yaml").read_text()) or {}
    return merged(yaml.safe_load((CHART / "values.yaml").read_text()), own)


def rendered(example):
    return [doc for doc in yaml.safe_load_all((ROOT / f"deploy/helm/rendered/{example}.yaml").read_text()) if doc]


def containers(example):
    """(pod's labels, container) of all that the chart starts."""
    for doc in rendered(example):
        spec = doc.get("spec", {})
        group = spec.get("leaderWorkerTemplate", {})
        for pod in (spec.get("template"), group.get("leaderTemplate"), group.get("workerTemplate")):
            for container in (pod or {}).get("spec", {}).get("containers", []):
                yield pod, container


# Prints a fault for each of the objects that it reads, null for none; of objects that are not Kubernetes' own it only says so.
VALIDATE = """
import json, sys
import kubernetes_validate as k
def fault(doc):
    try:
        k.validate(doc, "1.35", strict=True)
    except k.SchemaNotFoundError:
        return None if "." in doc["apiVersion"] else "no such kind: " + doc["kind"]
    except k.ValidationError as error:
        return str(error)
json.dump([fault(doc) for doc in json.load(sys.stdin)], sys.stdout)
"""


# Helm's own code: lints the chart, and prints what it makes of each example and says of each wrong set of values.
HELM = """
import json, sys
import helm_python as helm
job = json.load(sys.stdin)
def said(values):
    try:
        chart.render(values, name="demo")
        return ""
    except helm.HelmValuesError as error:
        return str(error)
with helm.Chart.load(job["chart"]) as chart:
    made = [chart.render(values, name="demo", namespace="default") for values in job["examples"]]
    json.dump({"lint": helm.lint(job["chart"]), "made": made, "said": [said(values) for values in job["wrong"]]}, sys.stdout)
"""
WRONG = [{"shrads": 1}, {"workers": {"shrads": 1}}, {"cells": "two"}]


def from_pypi(package, script):
    """A function of JSON to JSON: the script, which uses a package of PyPI. It runs apart, as such packages are newer than Debian's."""
    python = installed(package, package) / "bin/python"

    def call(argument):
        found = subprocess.run([python, "-c", script], input=json.dumps(argument), capture_output=True, text=True, check=True)
        return json.loads(found.stdout)
    return call


@pytest.fixture(name="faults", scope="module")
def validator():
    """The faults that kubernetes-validate finds in objects."""
    validate = from_pypi("kubernetes-validate", VALIDATE)
    return lambda docs: [fault for fault in validate(docs) if fault]


@pytest.fixture(name="helm", scope="module")
def helms_answers():
    examples = [yaml.safe_load((CHART / f"ci/{example}.yaml").read_text()) or {} for example in EXAMPLES]
    return from_pypi("helm-python-sdk", HELM)({"chart": str(CHART), "examples": examples, "wrong": WRONG})


@pytest.mark.parametrize("example", EXAMPLES)
def test_renderings_are_valid_objects(example, faults):
    docs = rendered(example)
    assert faults(docs) == []
    assert {"ConfigMap", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"} <= {doc["kind"] for doc in docs}


def test_a_wrong_field_would_be_noticed(faults):
    wrong = copy.deepcopy(next(doc for doc in rendered("one") if doc["kind"] == "Deployment"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    assert len(faults([wrong])) == 1


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_schema_takes_the_examples_and_no_unknown_key(example):
    jsonschema.validate(values(example), SCHEMA)
    for path in ([], ["image"], ["workers"], ["httpRoute", "parent"]):
        wrong = values(example)
        at = wrong
        for key in path:
            at = at[key]
        at["shrads"] = 4
        with pytest.raises(jsonschema.ValidationError, match="shrads"):
            jsonschema.validate(wrong, SCHEMA)


def test_every_value_is_read():
    text = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    read = set(re.findall(r"\.Values\.([A-Za-z.]+)", text))

    def leaves(node, path=""):
        for key, value in node.items():
            at = f"{path}.{key}" if path else key
            if at in read or any(at.startswith(name + ".") for name in read):
                continue
            assert isinstance(value, dict) and value, f"no template reads {at}"
            leaves(value, at)
    leaves(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_with_tls_all_ports_speak_it():
    probes, mounts = [], set()
    for pod, container in containers("tls"):
        probes += [container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe") if container["name"] == "waferd"]
        assert any(mount["mountPath"] == "/tls" and mount["readOnly"] for mount in container["volumeMounts"])
        mounts |= {volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume}
        assert "--insecure" not in container["args"][0] and "insecure" not in container["args"][0]
        assert container["name"] == "waferd" or "--tls /tls" in container["args"][0]
    assert probes and all(probe["scheme"] == "HTTPS" for probe in probes)
    assert mounts == {"waferline-frontend-tls", "waferline-worker-tls", "waferline-etcd-tls"}
    config = yaml.safe_load(next(doc for doc in rendered("tls") if doc["kind"] == "ConfigMap")["data"]["server.yaml"])
    assert config["tls"]["links"] and "insecure" not in config["listen"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_waferd_takes_the_configuration(example, tmp_path):
    config = next(doc for doc in rendered(example) if doc["kind"] == "ConfigMap")["data"]["server.yaml"]
    for words in (("init", tmp_path / "lab"), ("issue", tmp_path / "lab", "frontend")):
        assert waferctl("certs", *words).returncode == 0
    config = re.sub(r"(?<= )/(etcd-)?tls/", f"{tmp_path}/lab/frontend/", config)
    path = tmp_path / "server.yaml"
    path.write_text(re.sub(r"\bfile: \S+", f"file: {ROOT}/deploy/models/demo.gguf", config))
    command = next(container for _, container in containers(example) if container["name"] == "waferd")["args"][0]
    flags = re.findall(r"--set (\S+)", command)
    words = [word for flag in flags for word in ("--set", re.sub(r"\$[A-Z_]+", "x", flag))]
    done = subprocess.run([BIN / "waferd", "--check-config", "--config", path, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", ["cells", "everything"])
def test_shards_share_the_layers_whatever_their_number(example):
    workers = values(example)["workers"]
    layers = []
    for pod, container in containers(example):
        if container["name"] != "worker":
            continue
        kind = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        cell = pod["metadata"]["labels"].get("waferline.example/cell", "")
        if kind in ("prefill", "standby") or cell.endswith("-1"):
            continue
        first = 0 if kind == "shard" else 1  # a group counts its leader
        count = workers["shards"] + (0 if kind == "shard" else workers["prefill"])
        script = container["args"][0].replace("exec waferd", "echo")
        for i in range(first, first + count):
            done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True,
                                  env={"POD_NAME": f"w-{i}", "POD_IP": "10.0.0.1", "LWS_WORKER_INDEX": str(i)})
            layers += re.findall(r"--role shard .*--layers (\d+):(\d+)", done.stdout)
    assert len(layers) == workers["shards"]
    ends = [int(end) for part in layers for end in part]
    assert (ends[0], ends[-1]) == (0, workers["layers"]) and ends[1:-1:2] == ends[2::2]


@pytest.mark.parametrize("example", EXAMPLES)
def test_pods_may_do_little(example):
    for pod, container in containers(example):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] and not pod["spec"]["automountServiceAccountToken"]
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                "capabilities": {"drop": ["ALL"]}}
        probes = [container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")]
        ports = {port["name"] for port in container["ports"]}
        assert all(probe["port"] in ports and probe["path"] in ("/live", "/ready") for probe in probes)
        assert container["livenessProbe"]["httpGet"]["path"] == "/live"


def comparable(docs):
    """By kind and name, without checksums of what is compared itself."""
    text = re.sub(r'"checksum/config": "\w+"', '"checksum/config": ""', json.dumps([doc for doc in docs if doc]))
    return {(doc["kind"], doc["metadata"]["name"]): doc for doc in json.loads(text)}


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_makes_the_renderings(example, helm, faults):
    files = helm["made"][EXAMPLES.index(example)]
    made = [doc for name, text in files.items() if name.endswith(".yaml") for doc in yaml.safe_load_all(text)]
    assert comparable(made) == comparable(rendered(example))
    assert faults([doc for doc in made if doc]) == []


def test_helm_finds_no_fault_and_refuses_unknown_values_by_name(helm):
    assert helm["lint"]["total_charts_linted"] == 1 and not helm["lint"]["errors"], helm["lint"]
    assert "additional properties 'shrads' not allowed" in helm["said"][0]
    assert "at '/workers': additional properties 'shrads' not allowed" in helm["said"][1]
    assert "at '/cells'" in helm["said"][2]
