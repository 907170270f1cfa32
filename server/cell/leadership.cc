#include "server/cell/leadership.h"

#include <utility>

namespace waferline::cell {

Leadership::Leadership(membership::Registry* registry, std::string cell,
                       const membership::Leader& self)
    : registry_(registry), cell_(std::move(cell)), self_(self) {
  registry_->Campaign(cell_, self);
  registry_->Watch([this](const auto& snapshot) { OnSnapshot(*snapshot); });
}

Leadership::~Leadership() {
  registry_->Watch(nullptr);
  registry_->Withdraw();
}

bool Leadership::Largest(const membership::Leader& leader) {
  const MutexLock lock(&mutex_);
  if (leader.epoch < largest_ || (leader.epoch == largest_ && leader.id != largest_of_)) {
    return false;
  }
  largest_ = leader.epoch;
  largest_of_ = leader.id;
  return true;
}

void Leadership::RaiseAbove(uint64_t epoch) {
  membership::Leader self;
  {
    const MutexLock lock(&mutex_);
    if (epoch <= self_.above) return;  // it is asked for
    self_.above = epoch;
    self = self_;
  }
  registry_->Campaign(cell_, self);
}

void Leadership::OnSnapshot(const membership::Snapshot& snapshot) {
  const auto found = snapshot.leaders.find(cell_);
  if (found == snapshot.leaders.end()) return;
  const membership::Leader& leader = found->second;
  const bool largest = Largest(leader);
  bool own = false;
  uint64_t over = 0;
  {
    const MutexLock lock(&mutex_);
    own = leader.id == self_.id;
    over = largest_;
  }
  if (own && !largest) return RaiseAbove(over);
  if (own) {
    epoch_ = leader.epoch;
    state_ = State::kLeading;
  } else if (state_ == State::kLeading && leader.epoch > epoch_) {
    state_ = State::kOutranked;
  }
}

void Leadership::StandBy() {
  state_ = State::kStandby;
  if (const auto now = registry_->snapshot()) OnSnapshot(*now);
}

std::string Leadership::LeaderHttp() const {
  const auto now = registry_->snapshot();
  if (now == nullptr) return "";
  const auto leader = now->leaders.find(cell_);
  return leader == now->leaders.end() ? "" : leader->second.http;
}

}  // namespace waferline::cell
