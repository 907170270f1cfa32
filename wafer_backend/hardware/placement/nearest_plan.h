// Why a model does not fit, in numbers, and what would. Internal to placement. Pure; any thread.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "wafer_backend/hardware/placement/placement.h"

namespace waferline::placement {

// Of a task that passed Place's checks: the placement, or nothing if there is none.
std::optional<Placement> TryPlace(const PlacementTask& task);

// What one wafer of every place of one replica would hold together.
struct LoadSummary {
  double weight_bytes = 0;
  double kv_bytes = 0;
  double largest_piece_bytes = 0;
  int pieces = 0;
  double usable_bytes = 0;  // of one wafer
};
LoadSummary LoadOf(const PlacementTask& task);

// ResourceExhausted for a task that TryPlace has nothing for. Tries a few dozen other tasks.
absl::Status Refusal(const PlacementTask& task);

}  // namespace waferline::placement
