"""Debian's Prometheus, with the configuration of deploy/prometheus, scrapes a running waferd; queries and every expression
of the dashboard give values."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse

import pytest

from cloud import ROOT, Waferd, first_model, get, post, stream
from prometheus_dashboard_test import expressions

PATIENCE_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """A prometheus process with the configuration of `config`, which scrapes `target` instead of `named`, ended by pid."""

    def __init__(self, target, config=ROOT / "deploy/prometheus/prometheus.yml", named="127.0.0.1:8080"):
        self.folder = tempfile.TemporaryDirectory(prefix="prometheus-test-")
        folder = pathlib.Path(self.folder.name)
        shutil.copy(ROOT / "deploy/prometheus/alerts.yml", folder)
        text = config.read_text()
        assert named in text and "scrape_interval: 2s" in text
        text = text.replace(named, target).replace("scrape_interval: 2s", "scrape_interval: 500ms")
        (folder / "prometheus.yml").write_text(text)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if exc[0] is not None:
            print(self.log.read_text(errors="replace")[-4000:])
        self.folder.cleanup()
        return False

    def query(self, expression):
        try:
            text = get(self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it reads its own data first
                return []
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        except OSError as error:
            if self.process.poll() is not None:
                raise RuntimeError("prometheus ended") from error
            return []
        reply = json.loads(text)
        assert reply["status"] == "success", f"{expression}: {reply}"
        return reply["data"]["result"]

    def wait_for(self, expression):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if result := self.query(expression):
                return result
            time.sleep(0.3)
        raise AssertionError(f"no result of {expression} within {PATIENCE_SECONDS} s")


def filled_in(expression):
    return re.sub(r"\$__rate_interval", "1m", expression).replace("$model", ".*")


@pytest.fixture(name="scraped", scope="module")
def start_both():
    """(prometheus, model), after a few requests."""
    with Waferd("deploy/config/demo.yaml") as server, Prometheus(server.http.removeprefix("http://")) as prometheus:
        model = first_model(server.http)
        prometheus.wait_for('up{job="waferline"} == 1')
        for seed in range(3):
            body = {"model": model, "prompt": "The baker", "max_tokens": 10, "seed": seed}
            assert list(stream(server.http, "/v1/completions", body))
        yield prometheus, model


@pytest.mark.parametrize("expression", (
    'vllm:generation_tokens_total{model_name="%s"} > 0',
    'histogram_quantile(0.5, rate(waferline_emulated_time_to_first_token_seconds_bucket{model_name="%s"}[1m])) > 0',
    'vllm:num_requests_running{model_name="%s"}', 'vllm:num_requests_waiting{model_name="%s"}',
    'vllm:kv_cache_usage_perc{model_name="%s"}'))
def test_a_query_has_a_value(scraped, expression):
    prometheus, model = scraped
    assert prometheus.wait_for(expression % model)


def test_every_expression_of_the_dashboard_is_understood(scraped):
    prometheus, _ = scraped
    asked = 0
    for where, expression in expressions():
        if where.startswith("variable") or expression.startswith(" "):
            continue
        prometheus.query(filled_in(expression))  # an expression that is wrong is an error
        asked += 1
    assert asked > 30


def test_a_lost_unit_raises_its_alert_and_its_repair_ends_it():
    with Waferd("deploy/config/demo.yaml") as server, Prometheus(server.http.removeprefix("http://")) as prometheus:
        prometheus.wait_for('up{job="waferline"} == 1')
        order = {"model": "llama-3.1-8b", "index": 0}
        post(server.http, "/admin/faults", {"fault": "unit_lost", **order})
        [alert] = prometheus.wait_for('ALERTS{alertname="WaferlineUnitLost",alertstate="firing"}')
        assert alert["metric"]["model_name"] == "llama-3.1-8b" and alert["metric"]["severity"] == "warning"
        post(server.http, "/admin/faults", {"fault": "unit_back", **order})
        prometheus.wait_for('absent(ALERTS{alertname="WaferlineUnitLost",alertstate="firing"})')


def test_every_alert_fires_on_what_is_broken_and_none_on_a_healthy_server():
    """Prometheus's own tests of rules: deploy/prometheus/alerts_test.yml has a case for each alert."""
    folder = ROOT / "deploy/prometheus"
    done = subprocess.run(["promtool", "test", "rules", folder / "alerts_test.yml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = set(re.findall(r"alertname: (\w+)", (folder / "alerts_test.yml").read_text()))
    assert tested == set(re.findall(r"- alert: (\w+)", (folder / "alerts.yml").read_text()))


def test_the_configurations_are_valid(tmp_path):
    """The compose file mounts its own next to the alerts."""
    shutil.copy(ROOT / "deploy/compose/prometheus.yml", tmp_path)
    shutil.copy(ROOT / "deploy/prometheus/alerts.yml", tmp_path)
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text().count("- alert:")
    for config in (ROOT / "deploy/prometheus/prometheus.yml", tmp_path / "prometheus.yml"):
        done = subprocess.run(["promtool", "check", "config", config], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and f"{rules} rules found" in done.stdout, done.stdout + done.stderr
