#include "server/rpc/rpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <cstdio>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "server/rpc/admin_service.h"
#include "server/rpc/billing_service.h"
#include "server/rpc/grpc_listener.h"
#include "server/rpc/inference_service.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/malformed_requests.h"
#include "server/rpc/write_thread.h"
#include "server/tls/grpc_credentials.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::rpc {
namespace {

// A peer that is gone without a word is noticed after this; its sequences end then.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveAnswerMs = 10'000;
// A peer that says nothing, or has asked nothing for long, holds one of few connections.
constexpr int kHandshakeMs = 5'000;
constexpr int kIdleMs = 600'000;
// Of a call's metadata, decoded; what is more is refused with RESOURCE_EXHAUSTED.
constexpr int kMaxMetadataBytes = 16 * 1024;

void (*on_log)(std::string_view text) = nullptr;

// As one line without control characters.
void PrintLog(gpr_log_func_args* entry) {
  if (on_log != nullptr) return on_log(entry->message);
  fprintf(stderr, "waferd: gRPC: %s\n", LogLine(entry->message).c_str());
}

class Server final : public RpcServer {
 public:
  Server(const serving::ServerDeps& deps, const RpcOptions& options)
      : deps_(deps),
        call_deps_{.server = &deps_,
                   .writer = &writer_,
                   .live = &live_,
                   .buffered_tokens = options.buffered_tokens},
        inference_(call_deps_),
        admin_service_(deps_),
        billing_service_(deps_),
        connections_(options.max_connections, deps_.clock.monotonic) {
    for (const ExtraService& extra : options.extra) {
      extra_.emplace_back(extra.name, extra.make(call_deps_));
    }
  }
  ~Server() override { Shutdown(); }

  absl::Status Listen(const RpcOptions& options) {
    static std::once_flag once;  // all are switches of the whole process
    std::call_once(once, [&options] {
      on_log = options.on_log;
      gpr_set_log_function(&PrintLog);
      // It would print a line for each text that is not UTF-8; the caller is told by its answer.
      google::protobuf::SetLogHandler(nullptr);
      grpc::EnableDefaultHealthCheckService(true);
      grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    });
    WL_ASSIGN_OR_RETURN(listener_, GrpcListener::Open(options.host, options.port, &connections_));
    if (options.tls != nullptr) listener_->ExpectTls(deps_.clock.monotonic, options.on_refused);
    grpc::ServerBuilder builder;
    auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        options.tls == nullptr ? grpc::InsecureServerCredentials()
                               : tls::GrpcServerCredentials(options.tls, options.on_refused));
    builder.RegisterService(&inference_);
    for (const auto& [name, service] : extra_) builder.RegisterService(service.get());
    if (options.for_operators) {
      builder.RegisterService(&admin_service_);
      builder.RegisterService(&billing_service_);
    }
    builder.SetMaxReceiveMessageSize(options.max_message_bytes);
    builder.SetMaxSendMessageSize(options.max_message_bytes);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveAnswerMs);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
        interceptors;
    interceptors.push_back(std::make_unique<MalformedRequests>(Services(options.for_operators)));
    interceptors.push_back(std::make_unique<CallReports>(&connections_));
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC does not start");
    SetServing(false);
    listener_->Start(std::move(acceptor));
    return absl::OkStatus();
  }

  uint16_t port() const override { return listener_->port(); }

  void SetServing(bool serving) override {
    SetServing("", serving);
    for (const std::string& name : Services(/*for_operators=*/true)) SetServing(name, serving);
    for (const auto& model : deps_.models->all()) SetServing(model->name, serving);
  }

  void SetServing(std::string_view service, bool serving) override {
    auto* health = server_->GetHealthCheckService();
    WL_CHECK(health != nullptr);
    health->SetServingStatus(std::string(service), serving);
  }

  size_t live_calls() const override { return live_.size(); }
  size_t connections() const override { return connections_.size(); }

  void Shutdown() override {
    if (server_ == nullptr || std::exchange(down_, true)) return;
    // gRPC waits for every live call, so they are disconnected first; those that come in between
    // are disconnected as they register.
    listener_->Stop();
    live_.DisconnectAll();
    // Calls that are not in live_ (health watches, reflection) are cancelled from that instant on:
    // the epoch, which is over. A negative one is for ever (gRPC 1.51, Timepoint2Timespec).
    server_->Shutdown(std::chrono::system_clock::time_point());
    server_->Wait();
    writer_.Stop();
  }

 private:
  std::set<std::string> Services(bool for_operators) const {
    std::set<std::string> names = {v1::InferenceService::service_full_name()};
    if (for_operators) {
      names.insert(v1::OperatorService::service_full_name());
      names.insert(v1::BillingService::service_full_name());
    }
    for (const auto& [name, service] : extra_) names.insert(name);
    return names;
  }

  const serving::ServerDeps deps_;
  LiveCalls live_;
  WriteThread writer_;
  const CallDeps call_deps_;
  InferenceService inference_;
  AdminService admin_service_;
  BillingService billing_service_;
  std::vector<std::pair<std::string, std::unique_ptr<grpc::Service>>> extra_;
  mutable OpenConnections connections_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<GrpcListener> listener_;
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
