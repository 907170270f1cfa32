#include "wafer_backend/hardware/timing/stage_costs.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/region_cost.h"

namespace waferline::timing {
namespace {

constexpr double kBytesPerActivation = 2;  // FP16 between wafers

Nanoseconds InNanoseconds(double seconds) {
  return Nanoseconds(static_cast<int64_t>(std::ceil(seconds * 1e9)));
}

PositionCost CostOf(const LayerCost& layer, int64_t window, double clock_hz) {
  PositionCost cost;
  cost.base_seconds = layer.cycles.total() / clock_hz;
  const double per_position = layer.cycles_per_position / clock_hz;
  if (window > 0) {
    cost.windowed.push_back({per_position, window});
  } else {
    cost.seconds_per_position = per_position;
  }
  return cost;
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
  return InNanoseconds(total.At(kv.as_double()));
}

Nanoseconds DecodeCosts::StageTime(Tokens kv) const {
  double slowest = 0;
  for (const PositionCost& cost : different) slowest = std::max(slowest, cost.At(kv.as_double()));
  return InNanoseconds(slowest);
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

absl::StatusOr<DecodeCosts> DecodeCostsOf(const ModelShape& shape, const silicon::WaferSpec& wafer,
                                          const Profile& profile, const LayoutNeeds& needs) {
  WL_RETURN_IF_ERROR(CheckShape(shape));
  const ModelLayers layers = LayersOf(shape);
  WL_ASSIGN_OR_RETURN(const WaferLayout layout, LayOut(shape, layers, wafer, needs));
  const KernelModel m = ModelFor(wafer, profile);
  const double clock_hz = wafer.clock_hz.value;
  const double hop_seconds =
      wafer.wafer_to_wafer_seconds.value +
      static_cast<double>(shape.hidden) * kBytesPerActivation / wafer.io_bytes_per_second.value;

  DecodeCosts costs;
  costs.wafers = layout.wafers;
  costs.tokens_per_step = profile.tokens_per_step.value;
  // One stage of each sort and wafer, then copies in the order of the layers.
  std::vector<StageCost> sorts;
  for (const LayoutGroup& group : layout.groups) {
    const LayerKind& kind = layers.kinds[group.kind];
    const Grid grid = GridOf(m, wafer, profile, kind, group, needs.bytes_per_weight);
    const LayerCost cost = CostOfLayer(m, wafer, kind, grid.region);
    StageCost stage;
    stage.wafer = group.wafer;
    stage.layers = 1;
    stage.busy = CostOf(cost, kind.window, clock_hz);
    stage.weight_bytes = kind.parameters() * needs.bytes_per_weight;
    stage.kv_bytes_per_position = kind.kv_values_per_position * needs.bytes_per_kv_value;
    const double cores = wafer.grid_columns.value * wafer.grid_rows.value;
    stage.capacity_bytes = layout.usable_bytes_per_wafer * group.cores_each / cores;
    costs.different.push_back(stage.busy.Times(grid.layers_in_turn));
    sorts.push_back(std::move(stage));
  }
  for (size_t i = 0; i < layers.kind_of.size(); ++i) {
    size_t sort = 0;
    while (layout.groups[sort].kind != layers.kind_of[i] ||
           layout.groups[sort].wafer != layout.wafer_of_layer[i]) {
      ++sort;
    }
    if (!costs.stages.empty() && costs.stages.back().wafer != sorts[sort].wafer) {
      costs.stages.back().hand_over_seconds = hop_seconds;
    }
    costs.stages.push_back(sorts[sort]);
  }
  costs.stages.front().busy.base_seconds +=
      EmbeddingCycles(m, shape, {layout.groups.front().cores_each, needs.bytes_per_weight}) /
      clock_hz;
  if (costs.stages.back().wafer != layout.wafers - 1) {
    costs.stages.back().hand_over_seconds = hop_seconds;
  }
  StageCost output;
  output.wafer = layout.wafers - 1;
  output.busy.base_seconds = OutputCycles(m, shape, VocabularyParameters(shape),
                                          {layout.head_cores, needs.bytes_per_weight}) /
                             clock_hz;
  output.weight_bytes = VocabularyParameters(shape) * needs.bytes_per_weight;
  output.capacity_bytes = output.weight_bytes;
  costs.different.push_back(output.busy);
  costs.stages.push_back(std::move(output));
  if (layout.wafers > 1) costs.return_seconds = wafer.wafer_to_wafer_seconds.value;

  for (const StageCost& stage : costs.stages) {
    costs.total.Add(stage.busy);
    costs.total.base_seconds += stage.hand_over_seconds;
  }
  costs.total.base_seconds += costs.return_seconds;
  return costs;
}

}  // namespace waferline::timing
