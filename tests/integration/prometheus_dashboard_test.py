"""Every metric that the Grafana dashboard and the alerts name is exported by a running waferd."""

import json
import pathlib
import re
import urllib.request

import yaml

from cloud import ROOT, Metrics, Waferd, first_model, stream

NAME = re.compile(r"\b(?:waferline_\w+|vllm:\w+)")


def expressions():
    """(where, expression) of every panel and alert."""
    found = []
    dashboard = json.loads((ROOT / "deploy/grafana/waferline.json").read_text())
    for panel in dashboard["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    for variable in dashboard["templating"]["list"]:
        found.append(("variable " + variable["name"], variable.get("definition", "")))
    alerts = pathlib.Path(ROOT / "deploy/prometheus/alerts.yml").read_text()
    found += [("alert", expression.removeprefix("|")) for expression in re.findall(r"expr: (.*?)\n {8}\w", alerts, re.S)]
    return found


def test_every_panel_says_what_it_is_and_in_which_unit():
    dashboard = json.loads((ROOT / "deploy/grafana/waferline.json").read_text())
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            assert panel.get("description"), panel["title"]
            assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]


UNITS = {"short", "s", "bytes", "Bps", "percentunit", "reqps", "watt", "joule", "currencyUSD", "none"}  # Grafana's names that are used


def test_panels_have_known_units_one_datasource_and_their_own_place():
    dashboard = json.loads((ROOT / "deploy/grafana/waferline.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    source = "${datasource}"
    assert [one["type"] for one in dashboard["templating"]["list"] if one["name"] == "datasource"] == ["datasource"]
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"]["uid"] == source and all(target["datasource"]["uid"] == source for target in panel["targets"]), panel["title"]
    # What the compose file provisions is the Prometheus that it starts, and the dashboard's folder.
    provisioning = ROOT / "deploy/compose/provisioning"
    [grafana_source] = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    compose = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
    assert grafana_source["type"] == "prometheus" and grafana_source["url"] == "http://prometheus:9090" and "prometheus" in compose
    [provider] = yaml.safe_load((provisioning / "dashboards/waferline.yaml").read_text())["providers"]
    mounted = [volume.split(":") for volume in compose["grafana"]["volumes"]]
    assert ["../grafana/waferline.json", provider["options"]["path"] + "/waferline.json", "ro"] in mounted


def test_every_alert_has_a_severity_and_a_section_of_the_runbook():
    text = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M)
    names = re.findall(r"- alert: (\w+)", text)
    assert names and sections == names
    assert re.findall(r"labels: \{severity: (?:warning|critical)\}", text) and text.count("severity:") == len(names)
    assert re.findall(r'runbook: "docs/runbook.md#(\w+)"', text) == [name.lower() for name in names]


def test_a_rate_is_taken_of_counters_alone():
    with Waferd("deploy/config/demo.yaml") as server:
        text = urllib.request.urlopen(server.http + "/metrics").read().decode()
    gauges = set(re.findall(r"^# TYPE (\S+) gauge$", text, re.M))
    for where, expression in expressions():
        assert not gauges & set(re.findall(r"(?:rate|increase)\((\w+)", expression)), where


def test_every_name_of_the_dashboard_is_exported(tmp_path):
    named = {name: where for where, expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 30, f"only {len(named)} names found in the dashboard"
    with Waferd("deploy/config/demo.yaml", "--state-dir", str(tmp_path)) as server:
        body = {"model": first_model(server.http), "prompt": "The baker", "max_tokens": 4}
        assert list(stream(server.http, "/v1/completions", body))
        exported = Metrics(server.http).names()
    # Only members of a cell have these, servers with worker processes (chains_test.py), and servers with TLS; their own tests see them.
    elsewhere = ("waferline_cell_", "waferline_registry_", "waferline_tls_", "waferline_chain_", "waferline_link_")
    named = {name: where for name, where in named.items() if not name.startswith(elsewhere)}
    assert {name: where for name, where in named.items() if name not in exported} == {}
