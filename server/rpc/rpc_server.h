// The gRPC front end: waferline.v1, health (grpc.health.v1, for each service and each model) and
// reflection, on one address, plain or with TLS.
//
// Owner: server/app. Thread: any. Bounds: RpcOptions. End: Shutdown disconnects every call and
// waits for gRPC to finish with them, not for the engine; destroy this after the engine's thread
// has ended, since it may still end requests.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/live_call.h"
#include "server/serving/server_deps.h"
#include "wafer_backend/base/tls/credentials.h"

namespace waferline::rpc {

// A service of another protocol on the same port.
struct ExtraService {
  std::string name;  // in full, for health
  std::function<std::unique_ptr<grpc::Service>(const CallDeps&)> make;
};

struct RpcOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;              // 0: chosen by the system
  size_t buffered_tokens = 1024;  // of one stream whose reader is slow; above 0
  int max_message_bytes = 16 << 20;
  int max_streams_per_connection = 1024;
  size_t max_connections = 1024;
  bool for_operators = true;  // has OperatorService
  std::vector<ExtraService> extra;
  // Null: plain. Outlives the server.
  const tls::Credentials* tls = nullptr;
  // Any thread, for each connection that is refused for its handshake.
  std::function<void(const tls::Refused&)> on_refused = [](const tls::Refused&) {};
  // Of the whole process: what gRPC logs, which may quote a peer. Any thread. The first server's
  // counts; null: stderr.
  void (*on_log)(std::string_view text) = nullptr;
};

class RpcServer {
 public:
  // Listens and serves; everything is NOT_SERVING until SetServing. Unavailable if the address
  // cannot be had.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const serving::ServerDeps& deps,
                                                          const RpcOptions& options);
  virtual ~RpcServer() = default;  // Shutdown()

  virtual uint16_t port() const = 0;

  // Health of the server (""), its services and every model of the catalog.
  virtual void SetServing(bool serving) = 0;
  // Of one of these, e.g. a model whose worker is lost.
  virtual void SetServing(std::string_view service, bool serving) = 0;

  virtual size_t live_calls() const = 0;
  virtual size_t connections() const = 0;  // open now
  // Cancels the request of every live call and disconnects it; no new ones. Idempotent.
  virtual void Shutdown() = 0;
};

}  // namespace waferline::rpc
