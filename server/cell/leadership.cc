#include "server/cell/leadership.h"

#include <utility>

namespace waferline::cell {

Leadership::Leadership(membership::Registry* registry, std::string cell,
                       const membership::Leader& self)
    : registry_(registry), cell_(std::move(cell)), id_(self.id) {
  registry_->Campaign(cell_, self);
  registry_->Watch([this](const auto& snapshot) { OnSnapshot(*snapshot); });
}

Leadership::~Leadership() {
  registry_->Watch(nullptr);
  registry_->Withdraw();
}

void Leadership::OnSnapshot(const membership::Snapshot& snapshot) {
  const auto leader = snapshot.leaders.find(cell_);
  if (leader == snapshot.leaders.end()) return;
  if (leader->second.id == id_) {
    epoch_ = leader->second.epoch;
    state_ = State::kLeading;
  } else if (state_ == State::kLeading && leader->second.epoch > epoch_) {
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
