// Who calls: operators and their orders, keys, budgets.
#include <catch2/catch.hpp>
#include <string>

#include "server/rpc/rpc_server.h"
#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

TEST_CASE("operators ask, give orders and learn what is wrong with them") {
  Cloud cloud;
  const auto call = [&](auto method, const auto& request, auto* response) {
    grpc::ClientContext context;
    return ((*cloud.operator_stub).*method)(&context, request, response);
  };
  using Stub = v1::OperatorService::Stub;
  v1::GetServerInfoResponse info;
  REQUIRE(call(&Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  CHECK(info.version() == "1.2.3");
  CHECK(info.clock() == v1::CLOCK_KIND_REAL);
  v1::GetLoadResponse load;
  REQUIRE(call(&Stub::GetLoad, v1::GetLoadRequest(), &load).ok());
  CHECK(load.accepted() == 5);
  CHECK(load.state() == v1::SERVER_STATE_READY);
  v1::DrainResponse drain;
  REQUIRE(call(&Stub::Drain, v1::DrainRequest(), &drain).ok());
  CHECK(drain.in_flight() == 7);
  v1::ResetPrefixCacheResponse reset;
  CHECK(call(&Stub::ResetPrefixCache, v1::ResetPrefixCacheRequest(), &reset).ok());

  v1::AbortRequestRequest abort;
  v1::AbortRequestResponse aborted;
  CHECK(call(&Stub::AbortRequest, abort, &aborted).error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
  abort.set_request_id("victim");
  REQUIRE(call(&Stub::AbortRequest, abort, &aborted).ok());
  CHECK(aborted.aborted() == 2);  // one for each answer
  abort.set_request_id("unknown");
  REQUIRE(call(&Stub::AbortRequest, abort, &aborted).ok());
  CHECK(aborted.aborted() == 0);

  v1::ApplyFaultRequest fault;
  v1::ApplyFaultResponse none;
  const auto wrong_field = [&] {
    google::rpc::BadRequest bad;
    const grpc::Status status = call(&Stub::ApplyFault, fault, &none);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    return HasDetail(status, &bad) ? bad.field_violations(0).field() : "";
  };
  CHECK(wrong_field() == "fault.kind");
  fault.mutable_fault()->set_kind(v1::FAULT_KIND_UNIT_SLOW);
  fault.mutable_fault()->set_factor(-1);
  CHECK(wrong_field() == "fault.factor");
  fault.mutable_fault()->set_factor(2.5);
  fault.mutable_fault()->set_index(1);
  CHECK(wrong_field() == "fault.index");  // as the cloud says
  fault.mutable_fault()->set_index(0);
  fault.mutable_fault()->set_model("bytes");
  CHECK(call(&Stub::ApplyFault, fault, &none).ok());
  CHECK(cloud.admin.last_fault().fault.kind == "unit_slow");
  CHECK(cloud.admin.last_fault().model == "bytes");
  CHECK(cloud.admin.last_fault().fault.factor == 2.5);
  fault.mutable_fault()->set_kind(v1::FAULT_KIND_STAGE_SLOW);
  CHECK(wrong_field() == "fault.stage");
  fault.mutable_fault()->set_stage(3);
  CHECK(call(&Stub::ApplyFault, fault, &none).ok());
  CHECK(cloud.admin.last_fault().fault.kind == "stage_slow");
  CHECK(cloud.admin.last_fault().fault.stage == 3);
  fault.mutable_fault()->set_kind(v1::FAULT_KIND_THERMAL);
  CHECK(wrong_field() == "fault.factor");
  fault.mutable_fault()->clear_factor();
  CHECK(wrong_field() == "fault.stage");
  fault.mutable_fault()->clear_stage();
  fault.mutable_fault()->set_clock_share(0.5);
  CHECK(call(&Stub::ApplyFault, fault, &none).ok());
  CHECK(cloud.admin.last_fault().fault.kind == "thermal");
  CHECK(cloud.admin.last_fault().fault.clock_share == 0.5);
}

TEST_CASE("keys: unknown callers, models that a key may not use, and who may operate") {
  const auto keys =
      tenancy::ApiKeys::Create({{.key = "plain-key", .tenant = "acme", .models = {"bytes"}},
                                {.key = "admin-key", .tenant = "ops", .admin = true}});
  REQUIRE(keys.ok());
  Cloud cloud({}, &*keys);
  const auto code = [&](const std::string& key, const std::string& model) {
    grpc::ClientContext context;
    if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
    v1::GetModelRequest get;
    get.set_model(model);
    v1::GetModelResponse response;
    return cloud.stub->GetModel(&context, get, &response).error_code();
  };
  CHECK(code("", "bytes") == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(code("guess", "bytes") == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(code("plain-key", "bytes") == grpc::StatusCode::OK);
  CHECK(cloud.metrics.turned_away == 2);

  grpc::ClientContext other_context;
  other_context.AddMetadata("authorization", "Bearer plain-key");
  v1::GenerateRequest other = Cloud::Hello();
  other.set_model("silent");
  Reader reader = cloud.stub->Generate(&other_context, other);
  CHECK(reader->Finish().error_code() == grpc::StatusCode::PERMISSION_DENIED);

  const auto drain = [&](const std::string& key) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + key);
    v1::DrainResponse response;
    return cloud.operator_stub->Drain(&context, {}, &response).error_code();
  };
  CHECK(drain("plain-key") == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(drain("admin-key") == grpc::StatusCode::OK);

  grpc::ClientContext mine;
  mine.AddMetadata("authorization", "Bearer plain-key");
  Reader accepted = cloud.stub->Generate(&mine, Cloud::Hello());
  CHECK(cloud.door.Await(0).tenant == "acme");
  mine.TryCancel();
  CHECK(cloud.Quiet());
}

TEST_CASE("without keys who comes through a proxy of this machine does not operate the server") {
  Cloud cloud;
  const auto drain = [&](const std::string& header) {
    grpc::ClientContext context;
    if (!header.empty()) context.AddMetadata(header, "");
    v1::DrainResponse response;
    return cloud.operator_stub->Drain(&context, {}, &response).error_code();
  };
  CHECK(drain("") == grpc::StatusCode::OK);
  for (const char* header :
       {"x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip", "via"}) {
    INFO(header);
    CHECK(drain(header) == grpc::StatusCode::PERMISSION_DENIED);
  }
}

TEST_CASE("a budget is charged what a request may use and settled to what it did use") {
  tenancy::Budgets budgets({.requests_day = 100, .tokens_minute = 200}, {});
  Cloud cloud({}, nullptr, &budgets);
  grpc::ClientContext first, second, third;
  v1::GenerateRequest request = Cloud::Hello();  // 6 tokens
  request.mutable_stop()->set_max_tokens(110);
  Reader one = cloud.stub->Generate(&first, request);
  const ValidRequest valid = cloud.door.Await(0);
  Reader two = cloud.stub->Generate(&second, request);
  const grpc::Status over = two->Finish();
  CHECK(over.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(cloud.metrics.turned_away == 1);
  google::rpc::RetryInfo retry;
  CHECK(HasDetail(over, &retry));
  valid.sink->OnAdmitted();
  valid.sink->OnOutcome(
      {.reason = FinishReason::kStop, .prompt_tokens = 6, .generated_tokens = 10});
  v1::GenerateResponse event;
  while (one->Read(&event)) {
  }
  CHECK(one->Finish().ok());
  Reader three = cloud.stub->Generate(&third, request);
  CHECK(cloud.door.Await(1).sink != nullptr);
  third.TryCancel();
  CHECK(cloud.Quiet());
}

}  // namespace
}  // namespace waferline::rpc
