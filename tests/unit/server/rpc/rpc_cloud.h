// A gRPC server on a real socket in front of a puppet cloud, and a client of it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "proto/google/rpc/error_details.pb.h"
#include "proto/google/rpc/status.pb.h"
#include "proto/waferline/v1/inference.grpc.pb.h"
#include "proto/waferline/v1/operator.grpc.pb.h"
#include "server/rpc/rpc_server.h"
#include "tests/unit/server/rpc/byte_models.h"
#include "tests/unit/server/rpc/puppet_cloud.h"
#include "tests/unit/server/serving/plain_deps.h"

namespace waferline::rpc {

using Reader = std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>;

class CountingMetrics : public metrics::FrontMetrics {
 public:
  void OnHostFirstToken(std::string_view, Nanoseconds) override { ++first_tokens; }
  void OnHostEnd(std::string_view, Nanoseconds) override { ++ends; }
  void OnStreamEvent(std::string_view, uint32_t count) override {
    ++events;
    tokens += count;
  }
  void OnTurnedAway(std::string_view) override { ++turned_away; }
  std::atomic<uint32_t> first_tokens = 0, ends = 0, events = 0, tokens = 0, turned_away = 0;
};

struct Cloud {
  explicit Cloud(RpcOptions options = {}, const tenancy::ApiKeys* keys = nullptr,
                 tenancy::Budgets* budgets = nullptr, int64_t context = 128)
      : models(ByteModels(context)) {
    serving::ServerDeps deps = plain.With(&door, &models, &admin);
    deps.ledger = &ledger;
    deps.meter = &meter;
    deps.accounts = &accounts;
    deps.metrics = &metrics;
    deps.clock.monotonic = [this] { return Nanoseconds(now_ns); };
    if (keys != nullptr) deps.keys = keys;
    if (budgets != nullptr) deps.budgets = budgets;
    auto started = RpcServer::Start(deps, options);
    REQUIRE(started.ok());
    server = *std::move(started);
    channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                  grpc::InsecureChannelCredentials());
    stub = v1::InferenceService::NewStub(channel);
    operator_stub = v1::OperatorService::NewStub(channel);
  }

  static v1::GenerateRequest Hello() {
    v1::GenerateRequest request;
    request.set_model("bytes");
    request.set_text("hello");
    return request;
  }

  // The server lets go of a call a moment after its client has heard of the end.
  bool Quiet() const {
    for (int i = 0; i < 2000 && server->live_calls() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return server->live_calls() == 0;
  }

  std::atomic<int64_t> now_ns = 0;
  serving::PlainDeps plain;
  PuppetDoor door;
  PuppetAdmin admin;
  CountingMetrics metrics;
  tenancy::UsageLedger ledger;
  metering::UsageMeter meter;
  accounts::Accounts accounts{{}};
  text::ModelCatalog models;
  std::unique_ptr<RpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::InferenceService::Stub> stub;
  std::unique_ptr<v1::OperatorService::Stub> operator_stub;
};

template <typename Detail>
bool HasDetail(const grpc::Status& status, Detail* detail) {
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(status.error_details()));
  for (const auto& any : details.details()) {
    if (any.UnpackTo(detail)) return true;
  }
  return false;
}

}  // namespace waferline::rpc
