// A decode unit of kind split as its configuration describes it: its timing, both sides' memory
// and what it costs. A value; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/fleet/config/split_config.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/hardware/placement/split_model.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::fleet {

struct SplitUnit {
  placement::SplitModel model;
  // Of the attention side's wafers, or its accelerators together; then of the other side, which
  // keeps no KV. Pages of `page`.
  std::vector<ShardMemory> memory;
  // The profile of a side's wafers that accepts several tokens a pass; none: no side's does.
  std::optional<timing::Profile> speculates;
  std::string label;  // "attention on 8 x h200, feed-forward on 3 x wse-3 (vendor-2025)"
};

// InvalidArgument or ResourceExhausted names the field: unknown hardware or profile, a count for
// the other kind of machine, profiles that speculate differently, or what does not fit.
absl::StatusOr<SplitUnit> SplitUnitOf(const SplitConfig& config, const timing::ModelSizes& shape,
                                      Tokens context, Tokens page);

}  // namespace waferline::fleet
