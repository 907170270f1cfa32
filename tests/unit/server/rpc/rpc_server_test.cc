// The server around the streams: other calls, operators, keys, budgets, health, its end.
#include "server/rpc/rpc_server.h"

#include <grpcpp/generic/generic_stub.h>

#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "proto/grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/open_connections.h"
#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

TEST_CASE("tokenize and detokenize are each other's inverse, models are listed") {
  Cloud cloud;
  grpc::ClientContext first, second, third, fourth, fifth;
  v1::TokenizeRequest tokenize;
  tokenize.set_model("bytes");
  tokenize.set_text("h\xc3\xa9");
  tokenize.set_add_special_tokens(false);
  v1::TokenizeResponse ids;
  REQUIRE(cloud.stub->Tokenize(&first, tokenize, &ids).ok());
  REQUIRE(ids.token_ids_size() == 3);
  CHECK(ids.pieces(1) == "\xc3");
  CHECK(ids.context_length() == 128);
  v1::DetokenizeRequest detokenize;
  detokenize.set_model("bytes");
  *detokenize.mutable_token_ids() = ids.token_ids();
  v1::DetokenizeResponse text;
  REQUIRE(cloud.stub->Detokenize(&second, detokenize, &text).ok());
  CHECK(text.text() == "h\xc3\xa9");
  detokenize.add_token_ids(1000);
  const grpc::Status wrong = cloud.stub->Detokenize(&third, detokenize, &text);
  google::rpc::BadRequest bad;
  REQUIRE(HasDetail(wrong, &bad));
  CHECK(bad.field_violations(0).field() == "token_ids[3]");

  v1::ListModelsResponse models;
  REQUIRE(cloud.stub->ListModels(&fourth, {}, &models).ok());
  REQUIRE(models.models_size() == 2);
  CHECK(models.models(0).id() == "bytes");
  CHECK(models.models(0).chat_template() == "plain");
  CHECK(models.models(1).chat_template().empty());
  CHECK(models.models(1).token_origin() == v1::TOKEN_ORIGIN_EMULATED);
  v1::GetModelRequest get;
  get.set_model("gone");
  v1::GetModelResponse model;
  CHECK(cloud.stub->GetModel(&fifth, get, &model).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("a request that is no message is an invalid argument, an unknown method is not") {
  Cloud cloud;
  grpc::GenericStub stub(cloud.channel);
  const auto code = [&](const std::string& method) {
    grpc::Slice nonsense("\x0a\xff\xff\xff\xff\x0f");
    grpc::ByteBuffer request(&nonsense, 1), response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/waferline.v1." + method, grpc::StubOptions(), &request, &response,
                   [&](const grpc::Status& status) { done.set_value(status); });
    return done.get_future().get().error_code();
  };
  CHECK(code("InferenceService/Generate") == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(code("InferenceService/GenerateOnce") == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(code("InferenceService/Tokenize") == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(code("InferenceService/Nothing") == grpc::StatusCode::UNIMPLEMENTED);
}

TEST_CASE("connections over the bound are closed, and those that end make room") {
  Cloud cloud(RpcOptions{.max_connections = 3});
  const auto list = [&] {
    grpc::ChannelArguments apart;
    apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto stub = v1::InferenceService::NewStub(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(cloud.server->port()),
                                  grpc::InsecureChannelCredentials(), apart));
    grpc::ClientContext context;
    v1::ListModelsResponse models;
    const bool ok = stub->ListModels(&context, {}, &models).ok();
    return std::pair(ok, std::move(stub));
  };
  auto first = list(), second = list(), third = list();
  CHECK((first.first && second.first && third.first));
  CHECK(cloud.server->connections() == 3);
  CHECK_FALSE(list().first);
  first.second.reset();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (cloud.server->connections() == 3) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(list().first);
}

TEST_CASE("a shutdown ends calls that only their client would end") {
  Cloud cloud;
  const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(cloud.server->port()),
                                           grpc::InsecureChannelCredentials());
  grpc::ClientContext watching;
  const auto watch = grpc::health::v1::Health::NewStub(channel)->Watch(&watching, {});
  grpc::health::v1::HealthCheckResponse health;
  REQUIRE(watch->Read(&health));
  cloud.server->Shutdown();
  while (watch->Read(&health)) {
  }
  CHECK_FALSE(watch->Finish().ok());
}

TEST_CASE("at the limit an idle connection gives way, one that streams or is watched does not") {
  Cloud cloud(RpcOptions{.max_connections = 3});
  const auto connect = [&] {
    grpc::ChannelArguments apart;
    apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(cloud.server->port()),
                                     grpc::InsecureChannelCredentials(), apart);
  };
  const auto list = [](const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    v1::ListModelsResponse models;
    return v1::InferenceService::NewStub(channel)->ListModels(&context, {}, &models).ok();
  };
  const auto streams = connect(), watches = connect(), idles = connect();
  const auto inference = v1::InferenceService::NewStub(streams);
  const auto healths = grpc::health::v1::Health::NewStub(watches);
  grpc::ClientContext streaming, watching;
  const auto reader = inference->Generate(&streaming, Cloud::Hello());
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  v1::GenerateResponse event;
  REQUIRE(reader->Read(&event));
  grpc::health::v1::HealthCheckResponse health;
  const auto watch = healths->Watch(&watching, {});
  REQUIRE(watch->Read(&health));
  REQUIRE(list(idles));
  CHECK(cloud.server->connections() == 3);
  CHECK_FALSE(list(connect()));
  cloud.now_ns = OpenConnections::kMinIdle.count();
  auto later = connect();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  // An idle one gives way once its call has ended at the server too.
  const auto gives_way = [&] {
    while (!list(later) && std::chrono::steady_clock::now() < end) later = connect();
    return list(later);
  };
  CHECK(gives_way());
  CHECK(cloud.server->connections() == 3);
  cloud.now_ns = Seconds(3600).count();
  later = connect();
  CHECK(gives_way());  // the last one does, the other two never do
  cloud.server->SetServing("", true);
  CHECK(watch->Read(&health));
  CHECK(cloud.server->live_calls() == 1);
  watching.TryCancel();
  CHECK(watch->Finish().error_code() == grpc::StatusCode::CANCELLED);
  streaming.TryCancel();
  CHECK(cloud.door.AwaitCancel(0));
  CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  CHECK(cloud.Quiet());
  valid.sink->OnOutcome({.reason = FinishReason::kCancelled});
}

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

TEST_CASE("health answers for the server, each service and each model") {
  Cloud cloud;
  const auto stub = grpc::health::v1::Health::NewStub(cloud.channel);
  using Health = grpc::health::v1::HealthCheckResponse;
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    Health response;
    const grpc::Status status = stub->Check(&context, request, &response);
    return status.ok() ? static_cast<int>(response.status())
                       : -static_cast<int>(status.error_code());
  };
  const std::vector<std::string> services = {"",
                                             "waferline.v1.InferenceService",
                                             "waferline.v1.OperatorService",
                                             "waferline.v1.BillingService",
                                             "bytes",
                                             "silent"};
  for (const auto& service : services) CHECK(check(service) == Health::NOT_SERVING);
  cloud.server->SetServing(true);
  for (const auto& service : services) CHECK(check(service) == Health::SERVING);
  cloud.server->SetServing("silent", false);
  CHECK(check("silent") == Health::NOT_SERVING);
  CHECK(check("bytes") == Health::SERVING);
  CHECK(check("nothing") == -static_cast<int>(grpc::StatusCode::NOT_FOUND));
}

TEST_CASE("reflection tells tools which services there are") {
  Cloud cloud;
  grpc::GenericStub stub(cloud.channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag;
  bool ok = false;
  const auto done = [&] { return queue.Next(&tag, &ok) && ok; };
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  REQUIRE(done());
  // ServerReflectionRequest { list_services: "" }: field 7, length 0.
  const grpc::Slice request("\x3a\x00", 2);
  call->Write(grpc::ByteBuffer(&request, 1), nullptr);
  REQUIRE(done());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  REQUIRE(done());
  grpc::Slice bytes;
  REQUIRE(answer.DumpToSingleSlice(&bytes).ok());
  const std::string names(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  for (const char* name :
       {"waferline.v1.InferenceService", "waferline.v1.OperatorService", "grpc.health.v1.Health"}) {
    CHECK(names.find(name) != std::string::npos);
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
}

TEST_CASE("a message over the limit is refused") {
  Cloud cloud({.max_message_bytes = 10'000});
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.set_text(std::string(20'000, 'x'));
  Reader reader = cloud.stub->Generate(&context, request);
  CHECK(reader->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_CASE("a port that is taken is refused with the way out") {
  Cloud cloud;
  const auto second = RpcServer::Start(cloud.plain.With(&cloud.door, &cloud.models, &cloud.admin),
                                       {.port = cloud.server->port()});
  REQUIRE(second.status().code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(second.status().message()).find("--grpc-port") != std::string::npos);
}

TEST_CASE("Shutdown cancels what is live and does not wait for the engine") {
  Cloud cloud;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<Reader> readers;
  std::vector<ValidRequest> requests;
  for (size_t i = 0; i < 20; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(cloud.stub->Generate(contexts.back().get(), Cloud::Hello()));
    requests.push_back(cloud.door.Await(i));
    if (i % 2 == 0) requests.back().sink->OnAdmitted();
  }
  CHECK(cloud.server->live_calls() == 20);
  cloud.server->Shutdown();
  CHECK(cloud.server->live_calls() == 0);
  for (size_t i = 0; i < 20; ++i) {
    CHECK(cloud.door.cancelled(i));
    v1::GenerateResponse event;
    while (readers[i]->Read(&event)) {
    }
    CHECK_FALSE(readers[i]->Finish().ok());
    SendToken(*requests[i].sink, 0, 'x');
    requests[i].sink->OnOutcome({.reason = FinishReason::kCancelled});
  }
}

}  // namespace
}  // namespace waferline::rpc
