#include "server/rpc/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/inference_service.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/write_thread.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"

namespace waferline::rpc {
namespace {

// A peer that is gone without a word is noticed after this; its sequences end then.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveAnswerMs = 10'000;

class Server final : public RpcServer {
 public:
  Server(const serving::ServerDeps& deps, const RpcOptions& options)
      : deps_(deps),
        inference_({.server = &deps_,
                    .writer = &writer_,
                    .live = &live_,
                    .buffered_tokens = options.buffered_tokens}),
        admin_service_(deps_) {}
  ~Server() override { Shutdown(); }

  absl::Status Listen(const RpcOptions& options) {
    static std::once_flag once;  // both are switches of the whole process
    std::call_once(once, [] {
      grpc::EnableDefaultHealthCheckService(true);
      grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    });
    const bool v6 = options.host.find(':') != std::string::npos;
    const std::string address =
        absl::StrCat(v6 ? "[" : "", options.host, v6 ? "]" : "", ":", options.port);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&inference_);
    builder.RegisterService(&admin_service_);
    builder.SetMaxReceiveMessageSize(options.max_message_bytes);
    builder.SetMaxSendMessageSize(options.max_message_bytes);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
    // Without this a second server would share the port in silence.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveAnswerMs);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return absl::UnavailableError(absl::StrCat(
          "cannot listen for gRPC on ", address,
          ": is the address this machine's, and the port free? Choose another with --grpc-port"));
    }
    port_ = static_cast<uint16_t>(port);
    SetServing(false);
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

  void SetServing(bool serving) override {
    SetServing("", serving);
    SetServing(v1::InferenceService::service_full_name(), serving);
    SetServing(v1::OperatorService::service_full_name(), serving);
    for (const auto& model : deps_.models->all()) SetServing(model->name, serving);
  }

  void SetServing(std::string_view service, bool serving) override {
    auto* health = server_->GetHealthCheckService();
    WL_CHECK(health != nullptr);
    health->SetServingStatus(std::string(service), serving);
  }

  size_t live_calls() const override { return live_.size(); }

  void Shutdown() override {
    if (server_ == nullptr || std::exchange(down_, true)) return;
    // gRPC waits for every live call, so they are disconnected first; those that come in between
    // are disconnected as they register.
    live_.DisconnectAll();
    server_->Shutdown(std::chrono::system_clock::time_point::min());
    server_->Wait();
    writer_.Stop();
  }

 private:
  const serving::ServerDeps deps_;
  LiveCalls live_;
  WriteThread writer_;
  InferenceService inference_;
  AdminService admin_service_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
  bool down_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const serving::ServerDeps& deps,
                                                            const RpcOptions& options) {
  WL_CHECK(options.buffered_tokens > 0);
  auto server = std::make_unique<Server>(deps, options);
  const absl::Status status = server->Listen(options);
  if (!status.ok()) return status;
  return server;
}

}  // namespace waferline::rpc
