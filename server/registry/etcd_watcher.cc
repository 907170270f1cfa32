// What others write: everything at one revision, then changes.
#include "absl/strings/str_cat.h"
#include "server/registry/etcd_registry_impl.h"
#include "wafer_backend/base/status.h"

namespace waferline::registry {
namespace {

using membership::Snapshot;
// Workers, their claims and the cells' leaders.
constexpr int64_t kMaxEntries = 3 * static_cast<int64_t>(membership::kMaxWorkers);

}  // namespace

void EtcdRegistry::Follow() {
  Pauses pauses;
  for (;;) {
    int64_t revision = 0;
    absl::Status status = ReadAll(&revision);
    if (status.ok()) {
      pauses.Reset();
      {
        const MutexLock lock(&mutex_);
        followed_ = absl::OkStatus();
        if (stopping_) return;
      }
      status = client_.Watch(root_, revision + 1, [this](const auto& response) {
        Apply(response);
        return true;
      });
      if (absl::IsOutOfRange(status)) continue;
    }
    const Nanoseconds pause = pauses.Next();
    const MutexLock lock(&mutex_);
    followed_ = status;
    changed_.WaitFor(&mutex_, pause, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
    if (stopping_) return;
  }
}

absl::Status EtcdRegistry::ReadAll(int64_t* revision) {
  WL_ASSIGN_OR_RETURN(const etcdserverpb::RangeResponse all, client_.List(root_, kMaxEntries));
  *revision = all.header().revision();
  Snapshot snapshot{.revision = *revision};
  if (const auto before = board_.last(); before && before->revision > *revision) {
    Remark(absl::StrCat("etcd went back from revision ", before->revision, " to ", *revision,
                        ": it was restored from a backup, or lost its data; all is read again, and "
                        "what this process lists is written again"));
  }
  {
    const MutexLock lock(&mutex_);
    modified_.clear();
  }
  for (const mvccpb::KeyValue& kv : all.kvs()) Add(kv, &snapshot);
  {
    const MutexLock lock(&mutex_);
    // What this process listed may be gone, or be an older value: etcd was restored, or its lease
    // ended meanwhile.
    for (const mvccpb::KeyValue& kv : all.kvs()) {
      const std::string key = kv.key().substr(root_.size());
      if (Differs(key, kv)) listed_.erase(key);
    }
    std::erase_if(listed_, [this](const std::string& key)
                               ABSL_NO_THREAD_SAFETY_ANALYSIS { return !modified_.contains(key); });
    poked_ |= listed_.size() < wishes_.size();
  }
  changed_.NotifyAll();
  board_.Put(std::move(snapshot));
  return absl::OkStatus();
}

bool EtcdRegistry::Differs(const std::string& key, const mvccpb::KeyValue& kv) const {
  const auto wish = wishes_.find(key);
  return listed_.contains(key) && wish != wishes_.end() &&
         (kv.lease() != lease_ || kv.value() != wish->second.value);
}

void EtcdRegistry::Add(const mvccpb::KeyValue& kv, Snapshot* snapshot) {
  const std::string key = kv.key().substr(root_.size());
  const absl::Status added =
      AddEntry(key, {kv.value(), kv.create_revision(), kv.mod_revision(), kv.lease()}, snapshot);
  if (!added.ok()) return Remark(absl::StrCat("ignores ", key, ": ", added.message()));
  const MutexLock lock(&mutex_);
  modified_[key] = kv.mod_revision();
}

void EtcdRegistry::Apply(const etcdserverpb::WatchResponse& response) {
  if (response.events().empty()) return;
  Snapshot snapshot = *board_.last();
  snapshot.revision = response.header().revision();
  bool poke = false;
  for (const mvccpb::Event& event : response.events()) {
    if (event.type() == mvccpb::Event::PUT) {
      Add(event.kv(), &snapshot);
      continue;
    }
    const std::string key = event.kv().key().substr(root_.size());
    RemoveEntry(key, &snapshot);
    const MutexLock lock(&mutex_);
    modified_.erase(key);
    listed_.erase(key);
    poke |= wishes_.contains(key);  // it is free now, or was removed by an operator
  }
  board_.Put(std::move(snapshot));
  if (!poke) return;
  {
    const MutexLock lock(&mutex_);
    poked_ = true;
  }
  changed_.NotifyAll();
}

}  // namespace waferline::registry
