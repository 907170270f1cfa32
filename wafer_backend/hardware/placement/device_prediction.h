// What a model does on accelerators alone (device_figures.h), each figure with an interval for the
// uncertain facts of their file. Pure; any thread; under a millisecond.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/placement/device_figures.h"
#include "wafer_backend/hardware/placement/prediction.h"

namespace waferline::placement {

struct DevicePrediction {
  DeviceFigures figures;
  Estimate tokens_per_second;     // of one user among `users`, while decoding
  Estimate aggregate_per_second;  // of all of them
  // Of requests of `prompt` and `generate` at maximum load; nothing for a pipeline.
  std::optional<Estimate> serving_per_second;
  Estimate ttft_ms;
  Estimate watts, joules_per_token, usd_per_million_tokens;  // while decoding
  std::vector<Influence> influences;  // on one user's tokens/s, largest first
};

// FiguresOf's errors.
absl::StatusOr<DevicePrediction> PredictOnDevices(const DeviceTask& task);

}  // namespace waferline::placement
