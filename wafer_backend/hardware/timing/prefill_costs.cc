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
  const ModelLayers layers = LayersOf(shape);
  double attention_macs = 0, kv_values = 0;
  for (const uint8_t kind : layers.kind_of) {
    attention_macs += layers.kinds[kind].attention_macs_per_position;
    kv_values += layers.kinds[kind].kv_values_per_position;
  }
  const double weights = TotalParameters(shape) * bytes_per_weight;
  const double devices = std::ceil(weights / (device.memory_bytes.value * kWeightShare));
  if (devices > 1e6) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model would need ", devices, " devices; at most a million make sense"));
  }
  const double flops = devices * device.peak_fp16_flops.value * device.compute_efficiency.value;
  PrefillCosts costs;
  costs.devices = static_cast<int>(devices);
  costs.overhead_seconds = device.step_overhead_seconds.value;
  // Logits are needed for the last token only, so the output matrix does not count per token.
  costs.seconds_per_token = 2 * (ActiveParameters(shape) - VocabularyParameters(shape)) / flops;
  costs.seconds_per_token_position = 2 * attention_macs / flops;
  costs.weight_seconds =
      weights / (devices * device.memory_bytes_per_second.value * device.memory_efficiency.value);
  costs.kv_bytes_per_token = 2 * kv_values;
  costs.network_bytes_per_second = devices * device.network_bytes_per_second.value;
  return costs;
}

Nanoseconds PrefillCosts::ChunkTime(Tokens fresh, Tokens before) const {
  const double n = fresh.as_double();
  // Token i of the chunk sees those before the chunk and i of its own.
  const double seen = n * before.as_double() + n * (n + 1) / 2;
  const double arithmetic = seconds_per_token * n + seconds_per_token_position * seen;
  return InNanoseconds(overhead_seconds + std::max(arithmetic, weight_seconds));
}

Nanoseconds PrefillCosts::TransferTime(Tokens positions) const {
  return InNanoseconds(kv_bytes_per_token * positions.as_double() / network_bytes_per_second);
}

}  // namespace waferline::timing
