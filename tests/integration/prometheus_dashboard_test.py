"""Every metric that the Grafana dashboard and the alerts name is exported by a running waferd."""

import json
import pathlib
import re

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
    found += [("alert", line) for line in alerts.splitlines() if line.strip().startswith("expr:")]
    return found


def test_every_name_of_the_dashboard_is_exported():
    named = {name: where for where, expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 30, f"only {len(named)} names found in the dashboard"
    with Waferd("deploy/config/demo.yaml") as server:
        body = {"model": first_model(server.http), "prompt": "The baker", "max_tokens": 4}
        assert list(stream(server.http, "/v1/completions", body))
        exported = Metrics(server.http).names()
    assert {name: where for name, where in named.items() if name not in exported} == {}
