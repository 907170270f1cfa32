// Calls to an etcd cluster, API version 3 (3.4 or newer), over gRPC: one member after the other
// until one answers.
//
// Owner: EtcdRegistry. Thread: any; calls block, at most for call_patience at each member.
// Errors: Unavailable if no member answers in time; what etcd says otherwise.
#pragma once

#include <grpcpp/client_context.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "proto/etcd/v3/rpc.grpc.pb.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/units.h"

namespace waferline::registry {

// PEM files, read again when they change. With ca "" the system's authorities are trusted; cert and
// key are what etcd asks for with --client-cert-auth.
struct EtcdFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

class EtcdClient {
 public:
  struct Options {
    std::vector<std::string> endpoints;  // host:port of members, all plain or all https://host:port
    EtcdFiles tls;                       // for https
    Nanoseconds call_patience = Seconds(1);
  };
  explicit EtcdClient(const Options& options);

  // Every key that begins with `prefix`, at one revision. ResourceExhausted: more than `limit`.
  absl::StatusOr<etcdserverpb::RangeResponse> List(const std::string& prefix, int64_t limit);
  absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request);
  absl::StatusOr<int64_t> Grant(int64_t ttl_s);
  // NotFound: the lease is over.
  absl::Status Renew(int64_t lease);
  absl::Status Revoke(int64_t lease);

  // Gives each change of keys that begin with `prefix`, from `revision` on, until `take` says false
  // or the stream ends, which is the status. OutOfRange: changes since then are forgotten,
  // or etcd has not come to `revision` - 1: all is to be read again.
  using TakeChange = std::function<bool(const etcdserverpb::WatchResponse&)>;
  absl::Status Watch(const std::string& prefix, int64_t revision, const TakeChange& take);
  // Ends a Watch under way; it may be called again. After Stop, none waits.
  void EndWatch();
  void Stop();

  // When a member answered last (host clock); the start if none did.
  Nanoseconds heard() const { return Nanoseconds(heard_.load()); }
  void RecordAnswer();

 private:
  struct Member {
    std::string endpoint;
    std::unique_ptr<etcdserverpb::KV::Stub> kv;
    std::unique_ptr<etcdserverpb::Lease::Stub> lease;
    std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  };
  // Calls `call` at the current member, and at the next ones while none answers.
  template <typename Call>
  absl::Status AtSome(const Call& call);

  const Options options_;
  std::vector<Member> members_;
  std::atomic<size_t> current_{0};
  std::atomic<int64_t> heard_;
  Mutex mutex_;
  grpc::ClientContext* watching_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// The first key after all that begin with `prefix`.
std::string EndOf(std::string prefix);

}  // namespace waferline::registry
