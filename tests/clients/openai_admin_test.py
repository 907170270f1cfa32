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


def test_projects_and_keys_are_made_changed_and_ended(server):
    client = openai.OpenAI(base_url=server.http + "/v1", api_key="none", admin_api_key="root", max_retries=0)
    organization = client.admin.organization
    project = organization.projects.create(name="Search, Europe")
    assert project.id.startswith("proj_") and (project.object, project.status) == ("organization.project", "active")
    assert organization.projects.update(project.id, name="Search").name == "Search"
    assert organization.projects.retrieve(project.id).name == "Search"

    account = organization.projects.service_accounts.create(project.id, name="crawler", expires_in_seconds=3600)
    assert account.role == "member" and account.api_key.value.startswith("wl-")
    assert account.api_key.expires_at == pytest.approx(time.time() + 3600, abs=60)
    user = openai.OpenAI(base_url=server.http + "/v1", api_key=account.api_key.value, max_retries=0)
    user.completions.create(model="llama-3.1-8b", prompt="Once upon a time", max_tokens=5)
    used = organization.usage.completions(start_time=int(time.time()) // 86400 * 86400, group_by=["project_id"],
                                          project_ids=[project.id])
    assert [result.num_model_requests for bucket in used.data for result in bucket.results] == [1]

    keys = list(organization.projects.api_keys.list(project.id))
    assert [key.id for key in keys] == [account.api_key.id] and keys[0].name == "crawler"
    assert keys[0].redacted_value.startswith("wl-") and keys[0].owner.service_account.id == account.id
    assert organization.projects.api_keys.retrieve(account.api_key.id, project_id=project.id).object == "organization.project.api_key"
    assert [one.id for one in organization.projects.service_accounts.list(project.id)] == [account.id]
    assert organization.projects.service_accounts.retrieve(account.id, project_id=project.id).name == "crawler"
    second = organization.projects.service_accounts.create(project.id, name="second")
    assert organization.projects.api_keys.delete(account.api_key.id, project_id=project.id).deleted
    with pytest.raises(openai.AuthenticationError):
        user.completions.create(model="llama-3.1-8b", prompt="a", max_tokens=1)
    assert [one.id for one in organization.projects.service_accounts.list(project.id)] == [second.id]

    archived = organization.projects.archive(project.id)
    assert archived.status == "archived" and archived.archived_at
    ended = openai.OpenAI(base_url=server.http + "/v1", api_key=second.api_key.value, max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        ended.completions.create(model="llama-3.1-8b", prompt="a", max_tokens=1)
    with pytest.raises(openai.BadRequestError, match="is archived"):
        organization.projects.service_accounts.create(project.id, name="third")
    assert project.id not in [one.id for one in organization.projects.list()]
    assert project.id in [one.id for one in organization.projects.list(include_archived=True)]


def test_admin_keys_are_made_listed_and_revoked(server):
    client = openai.OpenAI(base_url=server.http + "/v1", api_key="none", admin_api_key="root", max_retries=0)
    keys = client.admin.organization.admin_api_keys
    made = keys.create(name="night shift")
    assert made.object == "organization.admin_api_key" and made.value.startswith("wl-") and made.owner.name == "operators"
    other = openai.OpenAI(base_url=server.http + "/v1", api_key="none", admin_api_key=made.value, max_retries=0)
    found = other.admin.organization.admin_api_keys.retrieve(made.id)
    assert found.name == "night shift" and made.value.startswith(found.redacted_value[:-3]) and not hasattr(found, "value")
    listed = [key.id for key in keys.list(limit=1)]  # pages of one, joined
    assert made.id in listed and len(listed) == len(set(listed)) >= 2
    assert [key.id for key in keys.list(order="desc")] == list(reversed([key.id for key in keys.list(order="asc")]))
    assert keys.delete(made.id).deleted
    with pytest.raises(openai.AuthenticationError):
        other.admin.organization.admin_api_keys.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        keys.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="change it there"):
        keys.delete(next(key.id for key in keys.list() if key.id.startswith("file_")))
