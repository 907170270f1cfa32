// RemoteShards' places: whose shard is silent, who takes that of one which stays lost, and with
// which layers.
#include <algorithm>
#include <optional>
#include <utility>

#include "wafer_backend/compute/plane/remote_shards.h"

namespace waferline::plane {
namespace {

constexpr int kMaxUnjoined = 2;  // in a row

}  // namespace

Nanoseconds RemoteShards::silence() const {
  Nanoseconds longest;
  for (const auto& shard : shards_) {
    if (shard->connection != nullptr) longest = std::max(longest, shard->connection->silence());
  }
  return longest;
}

void RemoteShards::TakeStandbys() {
  const Nanoseconds now = reactor_->Now();
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const bool lost = missing_[i] > Nanoseconds(0) && now - missing_[i] >= options_.patience;
    if (!lost || options_.standbys == nullptr || first_hellos_.empty()) continue;
    std::optional<std::string> standby = options_.standbys->Replace(options_.chain, i);
    if (!standby) continue;
    endpoints_[i] = *std::move(standby);
    missing_[i] = Nanoseconds(0);
  }
}

// Its link to the one before is cut, and both live: another one may have a better network.
void RemoteShards::OnUnjoined(size_t index) {
  if (state_ != State::kBuilding || index >= unjoined_.size()) return;
  if (++unjoined_[index] < kMaxUnjoined) return;
  unjoined_[index] = 0;
  missing_[index] = reactor_->Now() - options_.patience;
}

// What takes a place does not fit it: the next one may.
absl::Status RemoteShards::OnMisfit(size_t index, const absl::Status& why) {
  if (options_.standbys == nullptr || options_.standbys->empty() || first_hellos_.empty())
    return why;
  missing_[index] = reactor_->Now() - options_.patience;
  return absl::UnavailableError(why.message());
}

shard::LayerRange RemoteShards::LayersOf(size_t index) const {
  if (!first_hellos_.empty()) {
    return {first_hellos_[index].first_layer, first_hellos_[index].end_layer};
  }
  const auto places = static_cast<int64_t>(endpoints_.size());
  const auto layers = static_cast<int64_t>(hellos_[index].layer_count);
  if (layers < places) return {0, layers};  // CheckChain says that they do not join
  return shard::CutEvenly(layers, places)[index];
}

}  // namespace waferline::plane
