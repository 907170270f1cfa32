#include "wafer_backend/hardware/placement/chip_pipeline.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline::placement {
namespace {

// Of one token: linear in the positions, since matrices and attention have a roof each.
timing::PositionCost CostOf(const timing::SideWork& work) {
  const double weights = work.weight_seconds + work.expert_seconds * work.expert_share;
  timing::PositionCost cost{.base_seconds =
                                work.start_seconds + std::max(weights, work.token_seconds)};
  const double position = std::max(work.position_read_seconds, work.position_seconds);
  if (work.window > 0) {
    cost.windowed.push_back({position, work.window});
  } else {
    cost.seconds_per_position = position;
  }
  return cost;
}

}  // namespace

timing::DecodeCosts ChipPipelineOf(const SplitSide& side, const std::vector<uint8_t>& kind_of) {
  WL_CHECK(side.by_layer && side.memory.size() == 1);
  const SideMemory& memory = side.memory.front();
  const auto layers = static_cast<double>(kind_of.size());
  timing::DecodeCosts costs{.wafers = 1};
  for (const uint8_t kind : kind_of) {
    costs.stages.push_back({.layers = 1,
                            .busy = CostOf(side.kinds[kind]),
                            .weight_bytes = memory.weight_bytes / layers,
                            .kv_bytes_per_position = memory.kv_bytes_per_position / layers,
                            .capacity_bytes = memory.capacity_bytes / layers});
  }
  costs.stages.push_back({.busy = CostOf(side.output)});
  for (const timing::StageCost& stage : costs.stages) costs.total.Add(stage.busy);
  for (const timing::SideWork& kind : side.kinds) costs.different.push_back(CostOf(kind));
  costs.different.push_back(CostOf(side.output));
  return costs;
}

}  // namespace waferline::placement
