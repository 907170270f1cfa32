"""Tenants, keys and the usage API of a real waferd with a database, over HTTP and by waferctl."""

import json
import os
import re
import subprocess
import time

import pytest

from accounts import call, cloud, complete, config, new_key  # noqa: F401 (a fixture)
from cloud import BIN, ROOT, Metrics, Waferd, waferctl
from postgres import Postgres, Sqlite, programs


def test_a_key_is_shown_once_scoped_rotated_and_revoked_at_once(cloud):
    server, database = cloud
    made = new_key(server, project="search", models=["m"])
    assert made["key"].startswith("wl-") and len(made["key"]) == 46 and made["prefix"] == made["key"][:8]
    assert complete(server, made["key"])[0] == 200
    status, error, _ = complete(server, made["key"], model="other")
    assert status == 403 and "may not use the model" in error["error"]["message"]
    assert call(server, "GET", "/admin/keys", key=made["key"])[0] == 403
    assert call(server, "GET", "/v1/organization/usage/completions?start_time=0", key=made["key"])[0] == 403

    keys = {key["id"]: key for key in call(server, "GET", "/admin/keys")[1]["keys"]}
    assert "key" not in keys[made["id"]] and keys[made["id"]]["project"] == "search"
    for table in ("api_key", "usage"):
        assert all(made["key"] not in value for row in database.rows(f"SELECT * FROM {table}") for value in row)
    assert database.rows(f"SELECT project FROM usage WHERE api_key = '{made['id']}'") == [["search"]]

    fresh = call(server, "POST", f"/admin/keys/{made['id']}/rotate", {"overlap_s": 1})[1]
    assert complete(server, fresh["key"])[0] == 200 and complete(server, fresh["key"], model="other")[0] == 403
    assert complete(server, made["key"])[0] == 200  # the overlap
    deadline = time.monotonic() + 60
    while (answer := complete(server, made["key"]))[0] == 200:
        assert time.monotonic() < deadline
    assert answer[0] == 401 and "expired" in answer[1]["error"]["message"]
    assert call(server, "DELETE", f"/admin/keys/{fresh['id']}")[0] == 200
    assert complete(server, fresh["key"])[0] == 401


def test_yaml_keys_work_and_are_imported_and_the_file_decides_about_them(cloud):
    server, _ = cloud
    assert complete(server, "old")[0] == 200 and complete(server, "wrong")[0] == 401
    imported = [key for key in call(server, "GET", "/admin/keys")[1]["keys"] if key["origin"] == "configuration"]
    assert sorted(key["tenant"] for key in imported) == ["acme", "operators"]
    status, error, _ = call(server, "DELETE", f"/admin/keys/{imported[0]['id']}")
    assert status == 400 and "change it there" in error["error"]["message"]
    assert call(server, "DELETE", "/admin/tenants/acme")[0] == 200
    assert complete(server, "old")[0] == 403
    assert call(server, "POST", "/admin/tenants", {"name": "acme"})[0] == 200
    assert complete(server, "old")[0] == 200


@pytest.mark.parametrize("method,path,body,code,says", [
    ("POST", "/admin/keys", {"tenant": "nowhere"}, 404, "there is no tenant 'nowhere'"),
    ("POST", "/admin/keys", {"tenant": "acme", "modles": []}, 400, "modles"),
    ("POST", "/admin/keys", {"tenant": "acme", "models": ["othr"]}, 400,
     "models: is \\\"othr\\\", must be one of: m, other; did you mean 'other'?"),
    ("POST", "/admin/keys", {"tenant": "acme", "expires_in_s": 0}, 400, "expires_in_s"),
    ("POST", "/admin/tenants", {"name": "a b"}, 400, "not allowed"),
    ("POST", "/admin/tenants", {"name": "{}%"}, 400, "allowed are letters, digits and -_.@:/+"),
    ("POST", "/admin/quotas", {"tenant": "acme", "monthly_soft_usd": "2", "monthly_hard_usd": "1"}, 400, "is more than monthly_hard_usd"),
    ("POST", "/admin/tenants", {}, 400, "is missing"),
    ("DELETE", "/admin/tenants/nowhere", None, 404, "there is no tenant"),
    ("DELETE", "/admin/keys/key_0", None, 404, "there is no key"),
    ("POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": "0.0000001"}, 400, "monthly_hard_usd"),
    ("POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": "-1"}, 400, "must not be negative"),
    ("POST", "/admin/quotas", {"tenant": "acme", "prepaid_usd": "9000000000000"}, 400, "must be at most 1000000000"),
    ("POST", "/admin/quotas", {"tenant": "acme", "monthly_hard_usd": ""}, 400, "monthly_hard_usd"),
    ("POST", "/admin/quotas", {"tenant": "acme", "tokens_per_minute": 9, "project_shares": {"search": "1.5"}}, 400, "project_shares.search"),
    ("POST", "/admin/quotas", {"tenant": "acme", "project_shares": {"search": "0.5"}}, 400, "give one of them"),
    ("POST", "/v1/organization/projects", {}, 400, "name"),
    ("POST", "/v1/organization/projects", {"name": "a", "geography": "EU"}, 400, "geography"),
    ("POST", "/v1/organization/projects/absent", {"name": "a"}, 404, "there is no project 'absent'"),
    ("POST", "/v1/organization/projects/absent/archive", None, 404, "there is no project 'absent'"),
    ("GET", "/v1/organization/projects/absent/api_keys", None, 404, "there is no project 'absent'"),
    ("GET", "/v1/organization/projects?limit=0", None, 400, "from 1 to 100"),
    ("GET", "/v1/organization/projects?after=absent", None, 400, "there is no 'absent' here"),
    ("POST", "/v1/organization/admin_api_keys", {}, 400, "name"),
    ("GET", "/v1/organization/admin_api_keys/key_0", None, 404, "there is no key 'key_0' here"),
    ("GET", "/v1/organization/admin_api_keys?order=up", None, 400, "must be desc or asc"),
    ("GET", "/v1/organization/usage/completions", None, 400, "start_time"),
    ("GET", "/v1/organization/usage/completions?start_time=1&group_by=user", None, 400, "group_by"),
    ("GET", "/v1/organization/usage/completions?start_time=1&user_ids=x", None, 400, "not recorded"),
    ("GET", "/v1/organization/usage/completions?start_time=1&limit=32", None, 400, "from 1 to 31"),
    ("GET", "/v1/organization/usage/completions?start_time=5&end_time=5", None, 400, "after start_time"),
    ("GET", "/v1/organization/usage/completions?start_time=5&page=7", None, 400, "next_page"),
])
def test_bad_input_is_refused_by_name(cloud, method, path, body, code, says):
    status, error, _ = call(cloud[0], method, path, body)
    assert status == code and says in json.dumps(error), error


def test_a_prefix_that_a_tenant_has_sent_is_no_others_hit(tmp_path):
    with Sqlite() as database:
        path = config(tmp_path, database)
        path.write_text(path.read_text().replace("workers: 2}", "workers: 1, cache_tokens: 4096}\n    scheduling: {block_tokens: 64}", 1))
        with Waferd(path) as server:
            assert call(server, "POST", "/admin/tenants", {"name": "zeta"})[0] == 200
            keys = [new_key(server, tenant=tenant)["key"] for tenant in ("acme", "zeta")]
            body = {"model": "m", "prompt": "Once upon a time there was a miller. " * 20, "max_tokens": 1}

            def cached(key):
                return call(server, "POST", "/v1/completions", body, key)[1]["usage"]["prompt_tokens_details"]["cached_tokens"]

            assert [cached(keys[0]), cached(keys[0]) > 0] == [0, True]
            assert [cached(keys[1]), cached(keys[1]) > 0] == [0, True]


def test_usage_pages_are_the_whole_and_groups_sum_to_it(cloud):
    server, _ = cloud
    began = int(time.time())
    made = new_key(server, project="search", read_usage=True)
    for model in ("m", "m", "other"):
        assert complete(server, made["key"], model=model)[0] == 200
    assert complete(server, "old")[0] == 200

    def usage(query, key="root"):
        status, page, _ = call(server, "GET", f"/v1/organization/usage/completions?{query}", key=key)
        assert status == 200, page
        return page

    total = usage(f"start_time={began}")
    assert total["object"] == "page" and total["data"][0]["object"] == "bucket"
    (result,) = total["data"][0]["results"]
    assert result["num_model_requests"] == 4 and result["output_tokens"] == 20 and result["model"] is None
    for width in ("1m", "1h"):
        assert sum(r["num_model_requests"] for b in usage(f"start_time={began - 60}&bucket_width={width}")["data"] for r in b["results"]) == 4
    split = usage(f"start_time={began}&group_by[]=model&group_by=project_id")["data"][0]["results"]
    assert {(r["model"], r["project_id"]): r["num_model_requests"] for r in split} == {
        ("m", "search"): 2, ("other", "search"): 1, ("m", ""): 1}
    only = usage(f"start_time={began}&models=m&project_ids=search")["data"][0]["results"]
    assert [r["num_model_requests"] for r in only] == [2]
    mine = usage(f"start_time={began}&group_by=tenant", key=made["key"])["data"][0]["results"]
    assert [(r["tenant"], r["num_model_requests"]) for r in mine] == [("acme", 4)]

    start, whole = began - 3 * 3600, []
    page = usage(f"start_time={start}&bucket_width=1h&limit=1")
    while True:
        whole += page["data"]
        if not page["has_more"]:
            break
        page = usage(f"start_time={start}&bucket_width=1h&limit=1&page={page['next_page']}")
    assert [b["end_time"] for b in whole[:-1]] == [b["start_time"] for b in whole[1:]] and len(whole) >= 4
    assert sum(r["num_model_requests"] for b in whole for r in b["results"]) == 4


def test_a_request_for_several_choices_is_one_request_in_every_report(cloud):
    server, _ = cloud
    began = int(time.time())
    made = new_key(server, read_usage=True)
    body = {"model": "m", "prompt": "Once", "max_tokens": 5}
    for n in (3, 1):
        assert call(server, "POST", "/v1/completions", {**body, "n": n}, made["key"])[0] == 200
    for width in ("1m", "1h", "1d"):
        page = call(server, "GET", f"/v1/organization/usage/completions?start_time={began - 60}&bucket_width={width}", key="root")[1]
        sums = [sum(r[field] for b in page["data"] for r in b["results"]) for field in ("num_model_requests", "output_tokens")]
        assert sums == [2, 20], (width, page)
    prompt = sum(r["input_tokens"] for b in page["data"] for r in b["results"])
    counted = Metrics(server.http).sum("waferline_billing_tenant_tokens_total", kind="prompt")
    assert counted == prompt, "the prompt that choices share is in one record"
    table = waferctl("usage", "--server", server.http, "--api-key", "root", "--by", "tenant").stdout
    names, row = (line.split() for line in table.splitlines())
    assert names == ["from", "tenant", "requests", "input", "cached", "output", "usd"]
    assert (row[1], row[2], row[5]) == ("acme", "2", "20"), table


def test_the_first_key_of_a_server_without_keys_is_an_administrators(tmp_path):
    with Sqlite() as database, Waferd(config(tmp_path, database, keys="")) as server:
        assert call(server, "POST", "/admin/tenants", {"name": "acme"}, key=None)[0] == 200
        status, error, _ = call(server, "POST", "/admin/keys", {"tenant": "acme"}, key=None)
        assert status == 400 and "first key" in error["error"]["message"]
        refused = waferctl("keys", "create", "--tenant", "acme", "--server", server.http)
        assert refused.returncode == 1 and "waferctl: --admin: must be true for the first key" in refused.stderr, refused.stderr
        refused = waferctl("quotas", "set", "--tenant", "acme", "--monthly-hard-usd", "x", "--server", server.http)
        assert refused.returncode == 1 and "waferctl: --monthly-hard-usd" in refused.stderr, refused.stderr
        assert complete(server, None)[0] == 200
        made = call(server, "POST", "/admin/keys", {"tenant": "acme", "admin": True}, key=None)[1]
        assert complete(server, None)[0] == 401 and complete(server, made["key"])[0] == 200
        assert call(server, "GET", "/admin/keys", key=made["key"])[0] == 200


def test_without_a_database_the_doors_say_what_to_do(tmp_path):
    path = config(tmp_path, Sqlite())
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("billing")))
    with Waferd(path) as server:
        for method, door in (("GET", "/admin/tenants"), ("POST", "/admin/keys"), ("GET", "/v1/organization/usage/completions?start_time=1")):
            status, error, _ = call(server, method, door, {"tenant": "acme"} if method == "POST" else None)
            assert status == 400 and "--state-dir" in error["error"]["message"]


def test_a_key_is_for_a_project_by_its_id_or_its_name_and_makes_no_second_one(cloud):
    server, database = cloud
    project = call(server, "POST", "/v1/organization/projects", {"name": "search", "tenant": "acme"})[1]["id"]
    for wanted in ("search", project):
        made = new_key(server, project=wanted)
        assert made["project"] == project and complete(server, made["key"])[0] == 200
    done = waferctl("keys", "create", "--tenant", "acme", "--project", "search", "--json", "--server", server.http, "--api-key", "root")
    assert json.loads(done.stdout)["project"] == project
    assert [one["id"] for one in call(server, "GET", "/v1/organization/projects?tenant=acme")[1]["data"]] == [project]
    assert database.rows("SELECT DISTINCT project FROM usage") == [[project]]
    quota = {"tenant": "acme", "requests_per_day": 8, "project_shares": {"search": "0.25"}}
    assert call(server, "POST", "/admin/quotas", quota)[1]["project_shares"] == {project: "0.25"}
    status, error, _ = call(server, "POST", "/admin/quotas", {**quota, "project_shares": {"search": "0.25", project: "0.5"}})
    assert status == 400 and "project_shares" in error["error"]["message"]
    second = call(server, "POST", "/v1/organization/projects", {"name": "search", "tenant": "acme"})[1]["id"]
    status, error, _ = call(server, "POST", "/admin/keys", {"tenant": "acme", "project": "search"})
    assert status == 400 and "several projects are named 'search'" in error["error"]["message"] and second in error["error"]["message"]
    assert new_key(server, project="chat")["project"] == "chat"


def test_waferctl_shows_and_changes_them(cloud):
    server, _ = cloud
    door = ["--server", server.http, "--api-key", "root"]

    def ctl(*words):
        done = waferctl(*words, *door)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "added tenant zeta" in ctl("tenants", "add", "zeta")
    assert call(server, "POST", "/admin/tenants", {"name": "zeta"})[1] == {"name": "zeta", "found": True}
    made = json.loads(ctl("keys", "create", "--tenant", "zeta", "--project", "p", "--expires-days", "30", "--json"))
    assert complete(server, made["key"])[0] == 200
    assert made["id"] in ctl("keys", "list") and made["key"] not in ctl("keys", "list")
    assert "set the quota of zeta" in ctl("quotas", "set", "--tenant", "zeta", "--tokens-per-minute", "1000", "--monthly-hard-usd", "2.5")
    assert json.loads(ctl("quotas", "list", "--json"))["quotas"][0]["monthly_hard_usd"] == "2.50"
    rows = json.loads(ctl("usage", "--by", "tenant,key", "--tenant", "zeta", "--json"))["data"]
    assert [(r["api_key_id"], r["output_tokens"]) for b in rows for r in b["results"]] == [(made["id"], 5)]
    assert "zeta" in ctl("usage", "--by", "tenant,model", "--bucket", "hour")
    for words, says in (
            (("--tenant", "nosuch"), "there is no tenant 'nosuch', nor usage of it"), (("--by", "tenant,model,tenant"), "--by: 'tenant' is given twice"),
            (("--from", "2026-07-01", "--to", "2026-06-01"), "--from 2026-07-01T00:00:00Z must be before --to 2026-06-01T00:00:00Z"),
            (("--from", "2199-07-01"), "Z (not given)")):
        refused = waferctl("usage", *words, *door)
        assert refused.returncode != 0 and says in refused.stderr, refused.stderr
    fresh = json.loads(ctl("keys", "rotate", made["id"], "--overlap-hours", "0", "--json"))
    assert complete(server, fresh["key"])[0] == 200
    ctl("keys", "revoke", fresh["id"])
    assert complete(server, fresh["key"])[0] == 401
    assert "disabled tenant zeta" in ctl("tenants", "disable", "zeta")
    refused = waferctl("keys", "revoke", "key_0", *door)
    assert refused.returncode == 1 and "there is no key 'key_0'" in refused.stderr


def waferctl_into(stdout, *words):
    return subprocess.run([BIN / "waferctl", *words], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT)


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w")


@pytest.mark.parametrize("stdout,why", [(lambda: open("/dev/full", "w"), "No space left on device"), (closed_pipe, "Broken pipe")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_key_that_could_not_be_shown_is_revoked_again(cloud, stdout, why, form):
    server, _ = cloud
    old = new_key(server)
    ids = {key["id"] for key in call(server, "GET", "/admin/keys")[1]["keys"]}
    for words, then in ((("create", "--tenant", "acme"), ""), (("rotate", old["id"]), f"; {old['id']} ends all the same")):
        with stdout() as file:
            done = waferctl_into(file, "keys", *words, *form, "--server", server.http, "--api-key", "root")
        newest, = (key for key in call(server, "GET", "/admin/keys")[1]["keys"] if key["id"] not in ids)
        assert done.returncode == 1 and newest["revoked_at"]
        assert f"cannot write to stdout: {why}; the new key {newest['id']} is revoked again{then}" in done.stderr
        ids.add(newest["id"])


def test_the_only_key_that_could_not_be_shown_is_in_the_error(tmp_path):
    """The first one of a server without keys: no other could revoke it."""
    with Sqlite() as database, Waferd(config(tmp_path, database, keys="")) as server:
        assert call(server, "POST", "/admin/tenants", {"name": "acme"}, key=None)[0] == 200
        with open("/dev/full", "w") as file:
            done = waferctl_into(file, "keys", "create", "--tenant", "acme", "--admin", "--server", server.http)
        assert done.returncode == 1
        id_, key = re.search(r"the new key (key_\w+) is valid: (wl-\w+);", done.stderr).groups()
        assert [one["id"] for one in call(server, "GET", "/admin/keys", key=key)[1]["keys"]] == [id_]


def test_a_key_revoked_on_one_server_ends_on_the_other(tmp_path):
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() as database:
        path = config(tmp_path, database)
        with Waferd(path) as one, Waferd(path) as two:
            made = new_key(one)
            deadline = time.monotonic() + 5
            while complete(two, made["key"])[0] != 200:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert call(one, "DELETE", f"/admin/keys/{made['id']}")[0] == 200
            revoked = time.monotonic()
            assert complete(one, made["key"])[0] == 401
            while complete(two, made["key"])[0] != 401:
                assert time.monotonic() < revoked + 60
                time.sleep(0.01)
            print(f"refused by the other server {time.monotonic() - revoked:.2f} s later")
            ids = {complete(server, "old")[1]["usage"]["usage_id"] for server in (one, two, one, two)}
            assert len(ids) == 4
