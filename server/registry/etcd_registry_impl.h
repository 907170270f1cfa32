// EtcdRegistry as its files share it: etcd_registry.cc keeps the lease and what is listed under it,
// etcd_claims.cc claims workers, etcd_watcher.cc follows what others write.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/registry/entries.h"
#include "server/registry/etcd_client.h"
#include "server/registry/etcd_registry.h"
#include "server/registry/snapshot_board.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::registry {

// Pauses between attempts: each about twice the last, with jitter. One thread.
class Pauses {
 public:
  Nanoseconds Next();
  void Reset() { pause_ = kFirst; }

 private:
  static constexpr Nanoseconds kFirst = Milliseconds(100);
  static constexpr Nanoseconds kLongest = Seconds(1);
  Nanoseconds pause_ = kFirst;
  uint64_t seed_ = runtime::RandomSeed();
};

// Conditions of a transaction: that the key was created, or written last, at `revision`; 0: absent.
void RequireCreated(etcdserverpb::TxnRequest* txn, const std::string& key, int64_t revision);
void RequireModified(etcdserverpb::TxnRequest* txn, const std::string& key, int64_t revision);

class EtcdRegistry final : public membership::Registry {
 public:
  explicit EtcdRegistry(const EtcdOptions& options);
  ~EtcdRegistry() override;

  void Announce(const membership::Worker& worker) override {
    Want(WorkerKey(worker.id), {ValueOf(worker), worker.incarnation});
  }

  void Campaign(const std::string& cell, const membership::Leader& leader) override {
    Want(LeaderKey(cell), {ValueOf(leader), std::nullopt});
  }

  void Withdraw() override;

  absl::Status Take(const membership::Worker& worker, const Claimed& by) override;
  absl::Status Release(const std::string& worker, const Claimed& by) override;

  void Watch(Sink sink) override { board_.Watch(std::move(sink)); }
  std::shared_ptr<const membership::Snapshot> snapshot() const override { return board_.last(); }
  Nanoseconds age() const override { return runtime::MonotonicNow() - client_.heard(); }
  absl::Status status() const override {
    const MutexLock lock(&mutex_);
    return !kept_.ok() ? kept_ : followed_;
  }

 private:
  struct Wish {
    std::string value;
    std::optional<uint64_t> incarnation;  // of a worker: its own older entry is replaced
  };

  void Want(const std::string& key, Wish wish);
  absl::StatusOr<etcdserverpb::TxnRequest> ClaimOf(const membership::Worker& worker,
                                                   const Claimed& by) const;
  bool Pause(Nanoseconds bound);  // false: this ends

  void Keep();
  absl::Status KeepOnce();
  absl::Status List(const std::string& key, const Wish& wish, int64_t lease);
  void Follow();
  absl::Status ReadAll(int64_t* revision);
  void Apply(const etcdserverpb::WatchResponse& response);
  // Whether this process has listed the key, and what is there is not what it listed.
  bool Differs(const std::string& key, const mvccpb::KeyValue& kv) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remark(const std::string& text) {
    if (options_.on_remark && std::exchange(remarked_, text) != text) options_.on_remark(text);
  }
  void Add(const mvccpb::KeyValue& kv, membership::Snapshot* snapshot);

  const EtcdOptions options_;
  const std::string root_;  // before every key
  const Nanoseconds renew_every_;
  EtcdClient client_;
  SnapshotBoard board_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool poked_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Wish> wishes_ ABSL_GUARDED_BY(mutex_);       // by key
  std::set<std::string> listed_ ABSL_GUARDED_BY(mutex_);             // of them, under the lease
  int64_t lease_ ABSL_GUARDED_BY(mutex_) = 0;                        // 0: none
  std::map<std::string, int64_t> modified_ ABSL_GUARDED_BY(mutex_);  // revision of each key
  absl::Status kept_ ABSL_GUARDED_BY(mutex_);
  absl::Status followed_ ABSL_GUARDED_BY(mutex_) = absl::UnavailableError("not read yet");
  std::string remarked_;  // the watcher's; the keeper has its own
  std::string refused_;
  std::thread keeper_;
  std::thread watcher_;
};

}  // namespace waferline::registry
