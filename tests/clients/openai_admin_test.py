"""The admin calls of PyPI's `openai`: usage, costs and projects of a waferd with a database and prices."""

import json
import time
import urllib.request

import openai
import pytest

from cloud import ROOT, Waferd

PRICES = 'currency: USD\nversions: [{effective: 2026-01-01T00:00:00Z, models: [{name: "*", input: "1", output: "2"}]}]\n'


@pytest.fixture(name="server", scope="module")
def start_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    (folder / "prices.yaml").write_text(PRICES)
    path = folder / "admin.yaml"
    path.write_text("billing: {prices: ./prices.yaml}\napi_keys: [{key: root, tenant: operators, may_operate: true}]\n" +
                    (ROOT / "deploy/config/demo.yaml").read_text().replace("../models/", f"{ROOT}/deploy/models/"))
    with Waferd(path, "--state-dir", str(folder)) as server:
        yield server


def make_key(server, project):
    body = json.dumps({"tenant": "operators", "project": project}).encode()
    request = urllib.request.Request(server.http + "/admin/keys", body, {"authorization": "Bearer root", "content-type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["key"]


def test_usage_costs_and_projects(server):
    admin = openai.OpenAI(base_url=server.http + "/v1", api_key="none", admin_api_key="root", max_retries=0)
    organization = admin.admin.organization
    cost = 0
    for project, asks in (("search", 2), ("chat", 1)):
        client = openai.OpenAI(base_url=server.http + "/v1", api_key=make_key(server, project), max_retries=0)
        for _ in range(asks):
            usage = client.completions.create(model="llama-3.1-8b", prompt="Once upon a time", max_tokens=5).usage
            cost += (usage.prompt_tokens + 2 * usage.completion_tokens) / 1e6
    start = int(time.time()) // 86400 * 86400
    costs = organization.usage.costs(start_time=start, group_by=["project_id", "line_item"])
    results = [result for bucket in costs.data for result in bucket.results]
    assert {(result.project_id, result.line_item) for result in results} == {("search", "llama-3.1-8b"), ("chat", "llama-3.1-8b")}
    assert all(result.object == "organization.costs.result" and result.amount.currency == "usd" for result in results)
    assert sum(result.amount.value for result in results) == pytest.approx(cost, rel=1e-12)
    used = organization.usage.completions(start_time=start, bucket_width="1d", group_by=["project_id"])
    by_project = {result.project_id: result.num_model_requests for bucket in used.data for result in bucket.results}
    assert by_project == {"search": 2, "chat": 1}
    assert [project.id for project in organization.projects.list()] == ["chat", "search"]
    assert organization.projects.retrieve("search").status == "active"
    with pytest.raises(openai.BadRequestError, match="must be one of: 1d") as refused:
        organization.usage.costs(start_time=start, bucket_width="1h")
    assert refused.value.param == "bucket_width"
