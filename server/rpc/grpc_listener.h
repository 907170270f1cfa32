// Accepts gRPC's connections: counted and bounded (open_connections.h), and with a
// listening socket that outlives a lack of descriptors (gRPC 1.51's own closes for good when accept
// fails).
//
// Owner: RpcServer. Thread: one of its own accepts; the members are for any thread.
#pragma once

#include <grpcpp/server_builder.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "server/rpc/open_connections.h"
#include "server/rpc/tls_gate.h"

namespace waferline::rpc {

class GrpcListener {
 public:
  using Acceptor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // Listens on an IP address; port 0: the system chooses. InvalidArgument if it is not
  // one, Unavailable if it cannot be used. A connection for which `connections` has no room is
  // closed at once.
  static absl::StatusOr<std::unique_ptr<GrpcListener>> Open(const std::string& host, uint16_t port,
                                                            OpenConnections* connections);
  ~GrpcListener();  // Stop
  GrpcListener(const GrpcListener&) = delete;
  GrpcListener& operator=(const GrpcListener&) = delete;

  uint16_t port() const { return port_; }

  // Before Start: hands only connections over that begin a TLS handshake (tls_gate.h).
  void ExpectTls(std::function<Nanoseconds()> now,
                 std::function<void(const tls::Refused&)> on_refused);
  // Once, when the server runs.
  void Start(Acceptor acceptor);
  // Accepts no more; open connections stay open. Idempotent.
  void Stop();

 private:
  GrpcListener(int listening, int wake, OpenConnections* connections);
  void Run();
  // False: there was nothing to accept, or no descriptor for it.
  bool AcceptOne();
  void HandOver(int descriptor);

  const int listening_;
  const int wake_;  // readable: end
  OpenConnections* const connections_;
  uint16_t port_ = 0;
  Acceptor acceptor_;
  std::optional<TlsGate> gate_;  // the thread's
  std::thread thread_;
};

}  // namespace waferline::rpc
