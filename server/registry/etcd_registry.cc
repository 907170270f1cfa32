#include "server/registry/etcd_registry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/registry/etcd_registry_impl.h"
#include "wafer_backend/base/status.h"

namespace waferline::registry {

Nanoseconds Pauses::Next() {
  pause_ = std::min(pause_ * 2, kLongest);
  seed_ = seed_ * 6364136223846793005 + 1442695040888963407;
  return Nanoseconds(pause_.count() * static_cast<int64_t>(50 + (seed_ >> 33) % 50) / 100);
}

EtcdRegistry::EtcdRegistry(const EtcdOptions& options)
    : options_(options),
      root_(absl::StrCat(options.prefix, "/", options.cloud, "/")),
      renew_every_(Nanoseconds(Seconds(options.ttl_s).count() / 3)),
      client_({options.endpoints, options.tls, options.call_patience}) {
  keeper_ = std::thread([this] { Keep(); });
  watcher_ = std::thread([this] { Follow(); });
}

EtcdRegistry::~EtcdRegistry() {
  Withdraw();
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  client_.Stop();
  keeper_.join();
  watcher_.join();
}

void EtcdRegistry::Withdraw() {
  int64_t lease = 0;
  {
    const MutexLock lock(&mutex_);
    wishes_.clear();
    listed_.clear();
    lease = std::exchange(lease_, 0);
  }
  if (lease != 0) (void)client_.Revoke(lease);  // else it ends by itself
}

void EtcdRegistry::Want(const std::string& key, Wish wish) {
  {
    const MutexLock lock(&mutex_);
    wishes_[key] = std::move(wish);
    listed_.erase(key);
    poked_ = true;
  }
  changed_.NotifyAll();
}

bool EtcdRegistry::Pause(Nanoseconds bound) {
  const MutexLock lock(&mutex_);
  changed_.WaitFor(&mutex_, bound,
                   [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_ || poked_; });
  poked_ = false;
  return !stopping_;
}

void EtcdRegistry::Keep() {
  Pauses pauses;
  Nanoseconds pause;
  do {
    const absl::Status status = KeepOnce();
    if (status.ok()) {
      pauses.Reset();
      pause = renew_every_;
    } else {
      client_.EndWatch();  // of the member that does not answer
      pause = pauses.Next();
    }
    const MutexLock lock(&mutex_);
    kept_ = status;
  } while (Pause(pause));
}

absl::Status EtcdRegistry::KeepOnce() {
  std::map<std::string, Wish> missing;
  int64_t lease = 0;
  {
    const MutexLock lock(&mutex_);
    if (wishes_.empty()) return absl::OkStatus();
    lease = lease_;
  }
  if (lease != 0) {
    const absl::Status renewed = client_.Renew(lease);
    if (!renewed.ok() && !absl::IsNotFound(renewed)) return renewed;
    if (!renewed.ok()) lease = 0;
  }
  if (lease == 0) {
    WL_ASSIGN_OR_RETURN(lease, client_.Grant(options_.ttl_s));
    const MutexLock lock(&mutex_);
    lease_ = lease;
    listed_.clear();
  }
  {
    const MutexLock lock(&mutex_);
    for (const auto& [key, wish] : wishes_) {
      if (!listed_.contains(key)) missing[key] = wish;
    }
  }
  for (const auto& [key, wish] : missing) WL_RETURN_IF_ERROR(List(key, wish, lease));
  return absl::OkStatus();
}

absl::Status EtcdRegistry::List(const std::string& key, const Wish& wish, int64_t lease) {
  const std::string full = root_ + key;
  etcdserverpb::TxnRequest txn;
  RequireCreated(&txn, full, 0);
  etcdserverpb::PutRequest* put = txn.add_success()->mutable_request_put();
  put->set_key(full);
  put->set_value(wish.value);
  put->set_lease(lease);
  txn.add_failure()->mutable_request_range()->set_key(full);
  WL_ASSIGN_OR_RETURN(etcdserverpb::TxnResponse response, client_.Txn(txn));
  bool listed = response.succeeded();
  if (!listed && response.responses(0).response_range().kvs_size() == 1) {
    const mvccpb::KeyValue& there = response.responses(0).response_range().kvs(0);
    listed = there.lease() == lease && there.value() == wish.value;
    membership::Snapshot read;
    const bool own = wish.incarnation && AddEntry(key, {there.value()}, &read).ok() &&
                     !read.workers.empty() &&
                     read.workers.begin()->second.incarnation == *wish.incarnation;
    if (!listed && (own || there.lease() == lease)) {
      txn.clear_compare();
      RequireModified(&txn, full, there.mod_revision());
      WL_ASSIGN_OR_RETURN(response, client_.Txn(txn));
      listed = response.succeeded();
    } else if (!listed && wish.incarnation && options_.on_remark && refused_ != there.value()) {
      refused_ = there.value();
      options_.on_remark(
          absl::StrCat(key, " is another process's until its lease ends: ", there.value()));
    }
  }
  const MutexLock lock(&mutex_);
  const auto now = wishes_.find(key);  // it may have changed meanwhile
  const bool wanted = now != wishes_.end() && now->second.value == wish.value;
  if (listed && wanted && lease_ == lease) listed_.insert(key);
  return absl::OkStatus();
}

std::unique_ptr<membership::Registry> OpenEtcdRegistry(const EtcdOptions& options) {
  return std::make_unique<EtcdRegistry>(options);
}

}  // namespace waferline::registry
