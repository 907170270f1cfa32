"""Every metric that the Grafana dashboard and the alerts name is exported by a running waferd."""

import json
import pathlib
import re
import sys

from openai_http import Metrics, first_model, stream
from waferd import ROOT, Waferd

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


def main():
    named = {name: where for where, expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 30, f"only {len(named)} names found in the dashboard"
    with Waferd("deploy/config/demo.yaml") as server:
        body = {"model": first_model(server.http), "prompt": "The baker", "max_tokens": 4}
        assert list(stream(server.http, "/v1/completions", body))
        exported = Metrics(server.http).names()
    missing = {name: where for name, where in named.items() if name not in exported}
    for name, where in missing.items():
        print(f"'{where}' names {name}, which is not exported")
    print(f"{len(named)} names, {len(missing)} missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
