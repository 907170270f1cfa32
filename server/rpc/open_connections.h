// gRPC's connections that are open. At their limit the one that has had no call for longest gives
// way to a new one: one that streams, or has been idle for less than kMinIdle, never does.
//
// gRPC owns a connection once it has it and does not say when it closes it; it is open as long as
// its descriptor is still the same socket. Calls are found by the name that gRPC gives their peer;
// while there is one whose name is none of these connections', none gives way.
//
// Owner: GrpcListener. Thread: any. Cost: a search for each call.
#pragma once

#include <grpcpp/support/server_interceptor.h>
#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/units.h"

namespace waferline::rpc {

class OpenConnections {
 public:
  static constexpr Nanoseconds kMinIdle = Seconds(1);

  OpenConnections(size_t max, std::function<Nanoseconds()> now) : max_(max), now_(std::move(now)) {}
  OpenConnections(const OpenConnections&) = delete;
  OpenConnections& operator=(const OpenConnections&) = delete;

  // Whether there is room for this socket, which is counted then; perhaps since another gave way.
  bool Admit(int descriptor);
  size_t size();

  // A call of this peer ("ipv4:127.0.0.1:1234") begins: whether it is one of these connections'.
  bool OnCall(const std::string& peer);
  // It ends; `known`: as it was then.
  void OnCallEnd(const std::string& peer, bool known);

 private:
  struct Open {
    int descriptor = -1;
    ino_t socket = 0;
    size_t calls = 0;
    Nanoseconds idle_since;  // while it has none
  };
  void ForgetClosed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool CloseLongestIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_;
  const std::function<Nanoseconds()> now_;
  Mutex mutex_;
  std::map<std::string, Open> open_ ABSL_GUARDED_BY(mutex_);  // by peer
  size_t strange_calls_ ABSL_GUARDED_BY(mutex_) = 0;          // of peers that are not there
};

// Reports each call of a server to its connections, from its beginning to its end, whatever its
// service is. The connections outlive the server.
class CallReports final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallReports(OpenConnections* connections) : connections_(connections) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  OpenConnections* const connections_;
};

}  // namespace waferline::rpc
