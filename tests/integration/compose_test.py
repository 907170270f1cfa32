"""deploy/compose without a container engine: a parser of compose files (PyPI's compose-spec) reads it, Grafana's own types (PyPI's
grafana-foundation-sdk) hold all that the dashboard says, what it mounts is there, and the processes that it would start, a waferd and a
Prometheus with the mounted files, work together: each panel of the dashboard has values after some load."""

import json
import math
import re
import subprocess
import time

import pytest
import yaml

from cloud import ROOT, Waferd, post, stream
from programs import installed
from prometheus_dashboard_test import expressions
from prometheus_scrape_test import PATIENCE_SECONDS, Prometheus, filled_in

FOLDER = ROOT / "deploy/compose"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
PARSER = "compose-spec==0.2.1"
GRAFANA = "grafana-foundation-sdk==1769699998!10.1.0"


@pytest.fixture(name="python", scope="module")
def install_parser():
    return installed("compose", PARSER, GRAFANA) / "bin/python"


def test_a_parser_finds_no_fault_and_would_find_one(python):
    read = "import compose_spec, sys; compose_spec.PyCompose.from_yaml(sys.stdin.read()).validate()"
    text = (FOLDER / "compose.yaml").read_text()
    done = subprocess.run([python, "-c", read], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([python, "-c", read], input=text.replace("read_only: true", "read_only: often"), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "read_only" in done.stderr


# What of the dashboard has no place in Grafana's types: read into them and written again, it would be gone.
LOST = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
def lost(before, after, path):
    if isinstance(before, dict):
        return [one for key, value in before.items() for one in (lost(value, after[key], f"{path}/{key}") if key in after else [f"{path}/{key}"])]
    if isinstance(before, list):
        return [one for i, value in enumerate(before) for one in lost(value, after[i], f"{path}/{i}")]
    return [] if before == after else [path]
register_default_plugins()
text = json.load(sys.stdin)
print(json.dumps(lost(text, json.loads(JSONEncoder().encode(Dashboard.from_json(text))), "")))
"""


def test_grafanas_types_hold_what_the_dashboard_says(python):
    dashboard = json.loads((ROOT / "deploy/grafana/waferline.json").read_text())
    lost = lambda text: json.loads(subprocess.run([python, "-c", LOST], input=json.dumps(text), capture_output=True, text=True, timeout=60, check=True).stdout)
    # Grafana writes a query variable's text a second time as its definition; these types have only the query.
    assert lost(dashboard) == ["/templating/list/1/definition"]
    first = next(i for i, panel in enumerate(dashboard["panels"]) if panel["type"] != "row")
    dashboard["panels"][first]["fieldConfig"]["defaults"]["units"] = "s"
    assert f"/panels/{first}/fieldConfig/defaults/units" in lost(dashboard)


def test_what_it_mounts_and_builds_from_is_there():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert mounts and all((FOLDER / mount).exists() for mount in mounts)
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service["ports"])
    dockerfile = ROOT / SERVICES["waferd"]["build"]["dockerfile"]
    # The image's command is of flags that waferd takes, and its configuration one that the package installs.
    [command] = re.findall(r"^CMD (\[.*\])$", dockerfile.read_text(), re.M)
    words = yaml.safe_load(command)
    assert words[0] == "--config" and (ROOT / "deploy/config" / words[1].removeprefix("/usr/share/waferline/config/")).exists()
    assert all(word == "--set" for word in words[2::2])


def load(server):
    """Something of each kind: answers of all models, one refused, one broken off by a fault and computed again."""
    for model in ("waferline-demo", "llama-3.1-8b", "llama-3.1-70b"):
        for seed in range(3):
            assert list(stream(server.http, "/v1/completions", {"model": model, "prompt": "The baker " * 40, "max_tokens": 20, "seed": seed}))
    with pytest.raises(OSError):
        post(server.http, "/v1/completions", {"model": "llama-3.1-8b", "prompt": "word " * 40000, "max_tokens": 4})
    tokens = stream(server.http, "/v1/completions", {"model": "llama-3.1-70b", "prompt": "On", "max_tokens": 8000, "ignore_eos": True})
    next(iter(tokens))
    post(server.http, "/admin/faults", {"fault": "unit_lost", "model": "llama-3.1-70b", "index": 0})
    post(server.http, "/admin/faults", {"fault": "unit_back", "model": "llama-3.1-70b", "index": 0})
    assert list(tokens)


def has_values(result):
    return any(not math.isnan(float(series["value"][1])) for series in result)


# Cells, TLS and worker processes have panels too; compose starts none of them.
ELSEWHERE = ("waferline_cell_", "waferline_registry_", "waferline_tls_", "waferline_chain_", "waferline_link_")


def test_what_it_starts_works_together_and_every_panel_has_values(tmp_path):
    # Besides what the demo does: bills, and keeps prompts.
    more = ["--state-dir", str(tmp_path), "--set", "billing.prices=demo", "--set", "models.1.prefill.cache_tokens=100000"]
    target = SERVICES["waferd"]["ports"][0].removeprefix("127.0.0.1:").split(":")[1]
    with Waferd("deploy/config/demo.yaml", *more) as server, \
            Prometheus(server.http.removeprefix("http://"), FOLDER / "prometheus.yml", f"waferd:{target}") as prometheus:
        prometheus.wait_for('up{job="waferline"} == 1')
        empty = [(title, filled_in(one)) for title, one in expressions() if title != "alert" and not title.startswith("variable")]
        empty = [panel for panel in empty if not any(name in panel[1] for name in ELSEWHERE)]
        assert len(empty) > 60
        deadline = time.monotonic() + PATIENCE_SECONDS
        while empty and time.monotonic() < deadline:  # a rate needs two scrapes of what is new, with something between them
            load(server)
            time.sleep(1)
            empty = [panel for panel in empty if not has_values(prometheus.query(panel[1]))]
        assert not empty
