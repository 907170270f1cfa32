#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::timing {
namespace {

// Of a device's memory; the rest holds KV and activations.
constexpr double kWeightShare = 0.8;

Nanoseconds InNanoseconds(double seconds) {
  return Nanoseconds(static_cast<int64_t>(std::ceil(std::min(seconds, 9e9) * 1e9)));
}

}  // namespace

absl::StatusOr<PrefillCosts> PrefillCostsOf(const ModelSizes& shape,
                                            const silicon::AcceleratorSpec& device,
                                            double bytes_per_weight) {
  WL_RETURN_IF_ERROR(CheckShape(shape));
  if (!(bytes_per_weight > 0 && bytes_per_weight <= 8)) {
    return absl::InvalidArgumentError("bytes per weight must lie in (0, 8]");
  }
  const double weights = TotalParameters(shape) * bytes_per_weight;
  const double devices = std::ceil(weights / (device.memory_bytes.value * kWeightShare));
  if (devices > 1e6) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model would need ", devices, " devices; at most a million make sense"));
  }
  PrefillCosts costs;
  costs.devices = static_cast<int>(devices);
  costs.costs =
      BatchCostsOf(shape, device, {.devices = costs.devices, .bytes_per_weight = bytes_per_weight});
  costs.kv_bytes_per_token = costs.costs.kv_bytes_per_position;
  costs.network_bytes_per_second = devices * device.network_bytes_per_second.value;
  return costs;
}

Nanoseconds PrefillCosts::ChunkTime(Tokens fresh, Tokens before) const {
  Rows rows;
  rows.AddChunk(fresh.as_double(), before.as_double());
  return InNanoseconds(costs.StepSeconds(rows, 1));
}

Nanoseconds PrefillCosts::TransferTime(Tokens positions) const {
  return InNanoseconds(kv_bytes_per_token * positions.as_double() / network_bytes_per_second);
}

}  // namespace waferline::timing
