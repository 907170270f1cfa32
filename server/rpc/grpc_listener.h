// Accepts gRPC's connections: counted, at most so many at once, and with a listening socket that
// outlives a lack of descriptors (gRPC 1.51's own closes for good when accept fails).
//
// gRPC owns a connection once it has it and does not say when it closes it; it is open as long as
// its descriptor is still the same socket.
//
// Owner: RpcServer. Thread: one of its own accepts; the members are for any thread.
#pragma once

#include <grpcpp/server_builder.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/rpc/tls_gate.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::rpc {

class GrpcListener {
 public:
  using Acceptor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // Listens on an IP address; port 0: the system chooses. InvalidArgument if it is none,
  // Unavailable if it cannot be had. A connection over `max_connections` is closed at once.
  static absl::StatusOr<std::unique_ptr<GrpcListener>> Open(const std::string& host, uint16_t port,
                                                            size_t max_connections);
  ~GrpcListener();  // Stop
  GrpcListener(const GrpcListener&) = delete;
  GrpcListener& operator=(const GrpcListener&) = delete;

  uint16_t port() const { return port_; }
  size_t connections();  // open now

  // Before Start: hands only connections over that begin a TLS handshake (tls_gate.h).
  void ExpectTls(std::function<Nanoseconds()> now,
                 std::function<void(const tls::Refused&)> on_refused);
  // Once, when the server runs.
  void Start(Acceptor acceptor);
  // Takes no more; connections that are there live on. Idempotent.
  void Stop();

 private:
  struct Handed {
    int descriptor;
    ino_t socket;
  };
  GrpcListener(int listening, int wake, size_t max_connections);
  void Run();
  // False: there was nothing to accept, or no descriptor for it.
  bool AcceptOne();
  void HandOver(int descriptor);
  void ForgetClosed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int listening_;
  const int wake_;  // readable: end
  const size_t max_connections_;
  uint16_t port_ = 0;
  Acceptor acceptor_;
  std::optional<TlsGate> gate_;  // the thread's
  std::thread thread_;
  Mutex mutex_;
  std::vector<Handed> handed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::rpc
