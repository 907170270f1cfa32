// How many connections there may be, which one gives way, and what a shutdown ends.
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/open_connections.h"
#include "server/rpc/rpc_server.h"
#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

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
  // An idle one gives way once its call has ended at the server too, and some time has passed
  // since.
  const auto gives_way = [&] {
    while (!list(later) && std::chrono::steady_clock::now() < end) {
      cloud.now_ns += OpenConnections::kMinIdle.count();
      later = connect();
    }
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

TEST_CASE("a message over the limit is refused") {
  Cloud cloud({.max_message_bytes = 10'000});
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.set_text(std::string(20'000, 'x'));
  Reader reader = cloud.stub->Generate(&context, request);
  CHECK(reader->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_CASE("metadata over 16 KiB is refused") {
  Cloud cloud;
  const auto list = [&](size_t bytes) {
    grpc::ClientContext context;
    context.AddMetadata("x-long", std::string(bytes, 'x'));
    v1::ListModelsResponse models;
    return cloud.stub->ListModels(&context, {}, &models).error_code();
  };
  CHECK(list(8'000) == grpc::StatusCode::OK);
  CHECK(list(20'000) == grpc::StatusCode::RESOURCE_EXHAUSTED);
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
