"""waferline.v1.BillingService of a real waferd: usage, its stream, invoices and keys over gRPC."""

import threading
import time
from decimal import Decimal

import pytest

import grpc_doors
from accounts import call, complete, config, new_key
from cloud import Waferd
from ledger import asked, ledger_config
from postgres import Postgres, Sqlite, programs


@pytest.fixture(scope="module", name="billing")
def load_messages(tmp_path_factory):
    grpc_doors.load(tmp_path_factory.mktemp("grpc"))
    from waferline.v1 import billing_pb2
    return billing_pb2


@pytest.fixture(params=["sqlite", "postgres"])
def cloud(request, tmp_path):
    if request.param == "postgres" and programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with Postgres() if request.param == "postgres" else Sqlite() as database, Waferd(config(tmp_path, database)) as server:
        with grpc_doors.GrpcDoors(server.grpc) as doors:
            yield server, doors


SERVICE = "waferline.v1.BillingService/"


def with_key(key):
    return {"metadata": [("authorization", f"Bearer {key}")]}


def test_a_key_made_over_grpc_works_and_its_usage_and_invoice_are_there(cloud, billing):
    server, doors = cloud
    new_key(server)  # adds nothing but that the tenant is there
    order = billing.CreateKeyRequest(tenant="acme", project="search", models=["m"], read_usage=True, expires_in_seconds=3600)
    made = doors.ask(SERVICE + "CreateKey", order, billing.CreateKeyResponse, **with_key("root"))
    assert made.id.startswith("key_") and made.key.startswith("wl-")
    assert complete(server, made.key, model="other")[0] == 403
    answers = [complete(server, made.key, 7)[1]["usage"] for _ in range(3)]
    day = int(time.time()) // 86400 * 86400
    ask = billing.GetUsageRequest(start_unix_seconds=day, group_by=[billing.USAGE_GROUP_TENANT, billing.USAGE_GROUP_PROJECT])
    for key in ("root", made.key):
        (bucket,) = doors.ask(SERVICE + "GetUsage", ask, billing.GetUsageResponse, **with_key(key)).buckets
        (result,) = bucket.results
        assert (result.tenant, result.project, result.requests, result.completion_tokens) == ("acme", "search", 3, 21)
        cost = sum(a["prompt_tokens"] + 2 * a["completion_tokens"] for a in answers)
        assert Decimal(result.cost_usd) == Decimal(cost) / 10**6
    month = time.strftime("%Y-%m", time.gmtime())
    draft = doors.ask(SERVICE + "GetInvoice", billing.GetInvoiceRequest(tenant="acme", month=month), billing.GetInvoiceResponse,
                      **with_key("root"))
    assert not draft.final and '"lines"' in draft.invoice_json
    assert draft.total_usd == call(server, "GET", f"/admin/invoices/acme:{month}")[1]["total_usd"]


def test_the_balance_and_what_is_due_are_those_of_http(tmp_path, billing):
    with Sqlite() as database, Waferd(ledger_config(tmp_path, database)) as server, grpc_doors.GrpcDoors(server.grpc) as doors:
        asked(server, ["tenants", "add", "acme", "--plan", "payer"])
        asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", "0.5"])
        key = new_key(server, read_usage=True)["key"]
        for _ in range(5):
            assert complete(server, key, max_tokens=2000)[0] == 200

        def usage(key, **more):
            return doors.ask(SERVICE + "GetUsage", billing.GetUsageRequest(start_unix_seconds=1, **more), billing.GetUsageResponse, **with_key(key))

        month, dues = time.strftime("%Y-%m", time.gmtime()), []
        for paid in ("0.5", "0"):
            asked(server, ["quotas", "set", "--tenant", "acme", "--prepaid-usd", paid])
            shown = call(server, "GET", "/v1/organization/usage/completions?start_time=1", key=key)[1]["prepaid_balance"]
            for answer in (usage(key), usage("root", tenants=["acme"])):
                assert shown == {"left_usd": answer.prepaid_balance.left_usd, "held_usd": answer.prepaid_balance.held_usd}
            invoice = doors.ask(SERVICE + "GetInvoice", billing.GetInvoiceRequest(tenant="acme", month=month), billing.GetInvoiceResponse,
                                **with_key("root"))
            dues.append(invoice.due_usd)
            assert invoice.due_usd == call(server, "GET", f"/admin/invoices/acme:{month}")[1]["due_usd"]
        assert dues == ["0.00", "0.02"]
        assert not usage("root").HasField("prepaid_balance")


def test_the_stream_has_each_record_once_from_any_cursor_and_follows(cloud, billing):
    server, doors = cloud
    assert call(server, "POST", "/admin/tenants", {"name": "globex"})[0] == 200
    key, other = new_key(server, read_usage=True)["key"], new_key(server, tenant="globex")["key"]
    seen = [complete(server, key, 5)[1]["usage"]["usage_id"] for _ in range(3)]
    complete(server, other, 5)

    def stream(cursor="", key="root", **more):
        return doors.stream(SERVICE + "StreamUsage", billing.StreamUsageRequest(cursor=cursor, **more), billing.StreamUsageResponse,
                            **with_key(key))

    records = list(stream())
    ids = [record.usage_id for record in records]
    assert len(ids) == len(set(ids)) == 4 and ids[:3] == seen
    assert [record.completion_tokens for record in records] == [5] * 4
    for i, record in enumerate(records):
        assert [one.usage_id for one in stream(record.cursor)] == ids[i + 1:]
    only = list(stream(tenants=["acme"]))
    assert {record.tenant for record in only} == {"acme"}
    mine = list(stream(key=key))
    assert {record.tenant for record in mine} == {"acme"}
    # A follower gets what comes, and no more than once.
    following, got = stream(records[-1].cursor, follow=True), []
    reader = threading.Thread(target=lambda: got.extend(next(following).usage_id for _ in range(2)))
    reader.start()
    late = [complete(server, key, 5)[1]["usage"]["usage_id"] for _ in range(2)]
    reader.join(60)
    assert got == late
    following.cancel()


def test_as_many_streams_follow_as_are_allowed_and_the_next_is_refused_by_name(cloud, billing):
    server, doors = cloud
    complete(server, new_key(server)["key"], 5)

    def follow():
        events = doors.stream(SERVICE + "StreamUsage", billing.StreamUsageRequest(follow=True), billing.StreamUsageResponse, **with_key("root"))
        next(events)  # it is under way
        return events

    streams = [follow() for _ in range(16)]
    with pytest.raises(doors.grpc.RpcError) as refused:
        follow()
    assert refused.value.code().name == "RESOURCE_EXHAUSTED" and "16 streams of usage are open" in refused.value.details()
    streams.pop().cancel()
    deadline = time.monotonic() + 60
    while len(streams) < 16:  # the server sees the end of the one that left
        try:
            streams.append(follow())
        except doors.grpc.RpcError as error:
            assert error.code().name == "RESOURCE_EXHAUSTED" and time.monotonic() < deadline
            time.sleep(0.05)
    for one in streams:
        one.cancel()


@pytest.mark.parametrize("method, message, code, says", [
    ("GetUsage", lambda b: b.GetUsageRequest(start_unix_seconds=-1), "INVALID_ARGUMENT", "start_unix_seconds: must be from 0"),
    ("GetUsage", lambda b: b.GetUsageRequest(group_by=[0]), "INVALID_ARGUMENT", "group_by[0]: is not a UsageGroup"),
    ("GetInvoice", lambda b: b.GetInvoiceRequest(tenant="acme", month="June"), "INVALID_ARGUMENT", "month: "),
    ("GetInvoice", lambda b: b.GetInvoiceRequest(tenant="absent", month="2026-06"), "NOT_FOUND", "there is no tenant 'absent'"),
    ("CreateKey", lambda b: b.CreateKeyRequest(tenant="absent"), "NOT_FOUND", "there is no tenant 'absent'"),
    ("CreateKey", lambda b: b.CreateKeyRequest(tenant="acme", expires_in_seconds=-1), "INVALID_ARGUMENT", "expires_in_seconds"),
    ("StreamUsage", lambda b: b.StreamUsageRequest(cursor="yesterday"), "INVALID_ARGUMENT", "cursor: is not a cursor"),
])
def test_bad_calls_are_refused_by_name(cloud, billing, method, message, code, says):
    server, doors = cloud
    answer = getattr(billing, method + "Response")
    if method == "StreamUsage":
        with pytest.raises(doors.grpc.RpcError) as error:
            list(doors.stream(SERVICE + method, message(billing), answer, **with_key("root")))
        refusal = error.value.code().name, error.value.details()
    else:
        refusal = doors.refusal(SERVICE + method, message(billing), answer, **with_key("root"))
    assert refusal[0] == code and says in refusal[1], refusal
    assert doors.refusal(SERVICE + "CreateKey", billing.CreateKeyRequest(tenant="acme"), billing.CreateKeyResponse,
                         **with_key("old"))[0] == "PERMISSION_DENIED"
