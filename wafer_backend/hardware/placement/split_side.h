// One side of a model whose layers are cut in two: the machines that hold all layers' attention
// (and the KV, the embedding and the output matrix), or all their feed-forward parts. Wafers, or
// accelerators of one kind. Pure; any thread; a millisecond or so for wafers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/layer_part.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"
#include "wafer_backend/hardware/timing/side_work.h"

namespace waferline::placement {

struct SideTask {
  const timing::ModelSizes& shape;
  const silicon::Hardware& hardware;
  const timing::Profile* profile = nullptr;  // of wafers, else null
  timing::LayerPart part = timing::LayerPart::kAttention;
  int devices = 0;         // 0: the fewest that hold the weights and one sequence
  int64_t context = 4096;  // positions of that sequence
  double bytes_per_weight = 2;
  double bytes_per_kv_value = 2;
};

// Memory of one wafer, or of all accelerators of the side together.
struct SideMemory {
  double capacity_bytes = 0;
  double weight_bytes = 0;
  double kv_bytes_per_position = 0;  // of all layers in it; 0: it holds no KV
};

struct SplitSide {
  std::string hardware;
  int devices = 0;
  bool wafers = false;
  // Each layer has its own part of the side (SplitSides): wafers, and chips that are passed one
  // after another.
  bool by_layer = false;
  std::vector<timing::SideWork> kinds;  // of a layer, by timing::ModelLayers::kinds; slowest region
  timing::SideWork output;              // zero on the feed-forward side
  std::vector<SideMemory> memory;
  double watts = 0;  // at work
  double usd_per_hour = 0;

  // Sequences of `context` positions whose KV fits; a large number where there is no KV.
  int64_t UsersByMemory(int64_t context) const;
};

// A token of each of `users`, on a side of whole layers (`kind_of`: timing::ModelLayers) whose
// machines are accelerators. Chips with a layer each take one user's token after another's, like a
// wafer's regions.
double StepSeconds(const SplitSide& side, const std::vector<uint8_t>& kind_of, int64_t users,
                   int64_t context);

// InvalidArgument or ResourceExhausted says what does not fit, with the arithmetic.
absl::StatusOr<SplitSide> SideOf(const SideTask& task);

}  // namespace waferline::placement
