// A registry in memory whose every step a test takes itself: no thread, no clock. Elections, leases
// and claims follow etcd's rules: the first to stand is elected, its epoch is the revision of that.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "wafer_backend/membership/registry.h"

namespace waferline::membership {

class FakeStore;

// What one process sees of the store.
class FakeRegistry final : public Registry {
 public:
  explicit FakeRegistry(FakeStore* store) : store_(store) {}
  void Announce(const Worker& worker) override;
  void Campaign(const std::string& cell, const Leader& leader) override;
  void Withdraw() override;
  absl::Status Take(const Worker& worker, const Claimed& by) override;
  absl::Status Release(const std::string& worker, const Claimed& by) override;
  void Watch(Sink sink) override;
  std::shared_ptr<const Snapshot> snapshot() const override { return seen_; }
  Nanoseconds age() const override { return cut_off ? Seconds(60) : Nanoseconds(0); }
  absl::Status status() const override {
    return cut_off ? absl::UnavailableError("cut off") : absl::OkStatus();
  }

  bool cut_off = false;  // sees nothing and changes nothing
  void Look();           // takes what the store has now

 private:
  friend class FakeStore;
  FakeStore* const store_;
  Sink sink_;
  std::shared_ptr<const Snapshot> seen_;
  std::map<std::string, Leader> candidacies_;  // by cell
};

class FakeStore {
 public:
  Snapshot state;

  // Ends the lease of a process: its leadership and what it claimed.
  void Expire(const FakeRegistry& of) {
    for (const auto& [cell, self] : of.candidacies_) {
      const auto leader = state.leaders.find(cell);
      if (leader == state.leaders.end() || leader->second.id != self.id) continue;
      std::erase_if(state.claims,
                    [&cell = cell](const auto& claim) { return claim.second.cell == cell; });
      state.leaders.erase(leader);
    }
    ++state.revision;
  }
};

inline void FakeRegistry::Look() {
  if (cut_off) return;
  for (const auto& [cell, self] : candidacies_) {
    if (store_->state.leaders.contains(cell)) continue;
    Leader elected = self;
    elected.since = ++store_->state.revision;
    elected.epoch = std::max(static_cast<uint64_t>(elected.since), self.above + 1);
    store_->state.leaders[cell] = elected;
  }
  seen_ = std::make_shared<const Snapshot>(store_->state);
  if (sink_) sink_(seen_);
}

inline void FakeRegistry::Announce(const Worker& worker) {
  store_->state.workers[worker.id] = worker;
  ++store_->state.revision;
}

inline void FakeRegistry::Campaign(const std::string& cell, const Leader& leader) {
  candidacies_[cell] = leader;
  const auto now = store_->state.leaders.find(cell);
  if (!cut_off && now != store_->state.leaders.end() && now->second.id == leader.id) {
    ++store_->state.revision;
    now->second.above = leader.above;
    now->second.epoch = std::max(now->second.epoch, leader.above + 1);
  }
  Look();
}

inline void FakeRegistry::Withdraw() {
  store_->Expire(*this);
  candidacies_.clear();
}

inline absl::Status FakeRegistry::Take(const Worker& worker, const Claimed& by) {
  if (cut_off) return status();
  const auto leader = store_->state.leaders.find(by.cell);
  if (leader == store_->state.leaders.end() || leader->second.epoch != by.epoch) {
    return absl::FailedPreconditionError("the epoch is over");
  }
  const auto [claim, added] = store_->state.claims.emplace(worker.id, Claim{by.cell, by.epoch});
  if (!added && claim->second.cell == by.cell && claim->second.epoch < by.epoch) {
    claim->second.epoch = by.epoch;
  } else if (!added && claim->second != Claim{by.cell, by.epoch}) {
    return absl::FailedPreconditionError("worker " + worker.id + " is claimed");
  }
  return absl::OkStatus();
}

inline absl::Status FakeRegistry::Release(const std::string& worker, const Claimed&) {
  store_->state.claims.erase(worker);
  return absl::OkStatus();
}

inline void FakeRegistry::Watch(Sink sink) {
  sink_ = std::move(sink);
  if (sink_ && seen_) sink_(seen_);
}

}  // namespace waferline::membership
