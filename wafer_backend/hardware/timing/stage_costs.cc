#include "wafer_backend/hardware/timing/stage_costs.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace waferline::timing {
namespace {

Nanoseconds RoundedUp(double seconds) {
  return Nanoseconds(static_cast<int64_t>(std::ceil(seconds * 1e9)));
}

}  // namespace

double PositionCost::At(double positions) const {
  double seconds = base_seconds + seconds_per_position * positions;
  for (const Windowed& w : windowed) {
    seconds += w.seconds_per_position * std::min(positions, static_cast<double>(w.window));
  }
  return seconds;
}

PositionCost PositionCost::Times(double factor) const {
  PositionCost product = *this;
  product.base_seconds *= factor;
  product.seconds_per_position *= factor;
  for (Windowed& w : product.windowed) w.seconds_per_position *= factor;
  return product;
}

void PositionCost::Add(const PositionCost& other) {
  base_seconds += other.base_seconds;
  seconds_per_position += other.seconds_per_position;
  for (const Windowed& w : other.windowed) {
    const auto same = std::find_if(windowed.begin(), windowed.end(),
                                   [&](const Windowed& mine) { return mine.window == w.window; });
    if (same != windowed.end()) {
      same->seconds_per_position += w.seconds_per_position;
    } else {
      windowed.push_back(w);
    }
  }
}

Nanoseconds DecodeCosts::TokenLatency(Tokens kv) const {
  return RoundedUp(total.At(kv.as_double()));
}

Nanoseconds DecodeCosts::StageTime(Tokens kv) const {
  double slowest = 0;
  for (const PositionCost& cost : different) slowest = std::max(slowest, cost.At(kv.as_double()));
  return RoundedUp(slowest);
}

int DecodeCosts::Depth(Tokens kv) const {
  return static_cast<int>(std::max<int64_t>(1, TokenLatency(kv) / StageTime(kv)));
}

Bytes DecodeCosts::KvBytesPerToken() const {
  double bytes = 0;
  for (const StageCost& stage : stages) bytes += stage.kv_bytes_per_position;
  return Bytes(static_cast<int64_t>(std::ceil(bytes)));
}

Tokens DecodeCosts::KvCapacity() const {
  double least = 1e15;
  for (const StageCost& stage : stages) {
    if (stage.kv_bytes_per_position == 0) continue;
    least = std::min(least, stage.kv_capacity_bytes() / stage.kv_bytes_per_position);
  }
  return Tokens(static_cast<int64_t>(std::max(0.0, std::floor(least))));
}

absl::StatusOr<DecodeCosts> DecodeCosts::Grouped(int count) const {
  const int have = static_cast<int>(stages.size());
  if (count < 1 || count > have) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot make ", count, " stages of ", have, "; must lie in [1, ", have, "]"));
  }
  DecodeCosts merged = *this;
  merged.stages.clear();
  for (int i = 0; i < have; ++i) {
    const StageCost& stage = stages[static_cast<size_t>(i)];
    // Stage i of `have` goes to group i * count / have: sizes differ by one at most.
    if (static_cast<int64_t>(i) * count / have == static_cast<int64_t>(merged.stages.size())) {
      merged.stages.push_back(stage);
      continue;
    }
    StageCost& group = merged.stages.back();
    group.layers += stage.layers;
    // A wafer boundary inside a group is waited for by the same token.
    group.busy.base_seconds += group.hand_over_seconds;
    group.hand_over_seconds = stage.hand_over_seconds;
    group.busy.Add(stage.busy);
    group.weight_bytes += stage.weight_bytes;
    group.kv_bytes_per_position += stage.kv_bytes_per_position;
    group.capacity_bytes += stage.capacity_bytes;
  }
  return merged;
}

}  // namespace waferline::timing
