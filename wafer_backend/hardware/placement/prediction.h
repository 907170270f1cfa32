// What a model does on wafers, end to end, each figure with an interval for the uncertain
// parameters: Place and SpeedOf, repeated with changed parameters. Pure; any thread; under a tenth
// of a millisecond, less than half of it for placing. SpeedOf an existing placement takes about
// five microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::placement {

// `low` and `high` hold about 95 % where the parameters' ranges do: each uncertain parameter is
// moved to both ends of its range (a fitted one by two standard deviations) and the changes are
// added as independent ones.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

// The change of one user's tokens/s with one parameter at the ends of its range, the others where
// they were.
struct Influence {
  std::string parameter;
  double at_low = 0;
  double at_high = 0;
};

struct PredictionTask {
  const timing::ModelSizes& shape;
  const silicon::WaferSpec& wafer;
  const timing::Profile& profile;
  int wafers = 0;  // 0: the fewest that fit
  double bytes_per_weight = 2;
  double bytes_per_kv_value = 2;
  int64_t kv = 1024;  // cached positions a user
  int64_t users = 1;
  int64_t prompt = 1024;   // for the time to the first token
  int64_t generate = 128;  // tokens of the answer, the first of which ends the prefill
  std::vector<silicon::Hardware> prefill_devices;
  // Sides of the grids, where the profile's layers share one; 0: the fastest.
  int decode_grid = 0;
  int prefill_grid = 0;
};

// A whole request of one user on wafers alone: the prompt is prefilled there, its KV (and, where
// all layers share a grid, the weights) moves to decode's layout, then each token of the answer
// after the first is a pass over a KV that grows from the prompt's length.
struct RequestParts {  // milliseconds
  double first_token = 0;
  double transition = 0;
  double decode = 0;
  double total = 0;
};

struct DevicePrefill {
  std::string device;
  int devices = 0;  // that the weights need
  double ttft_ms = 0;
  double kv_transfer_ms = 0;
  double joules = 0;
  double tokens_per_second = 0;  // of prompt
};

struct Prediction {
  int wafers = 0;
  int stages = 0;
  LatencyParts latency;  // of a pass at `kv`
  double tokens_per_step = 1;
  double stage_us = 0;
  int decode_grid = 0;  // sides of the grids that layers share; 0: each layer has its own region
  int prefill_grid = 0;
  int64_t users_before_slowdown = 0;  // up to the pipeline's depth
  // Whose KV fits next to the weights, each as long as `kv` or, if that is longer, the request.
  int64_t users_by_memory = 0;
  double weight_gigabytes = 0;
  Estimate tokens_per_second;     // of one user among `users`
  Estimate aggregate_per_second;  // of all of them
  Estimate full_per_second;       // of as many as fit without slowing each other down
  Estimate ttft_wafer_ms;
  RequestParts request_ms;
  Estimate request_total_ms;
  Estimate end_to_end_per_second;  // tokens of the answer over the whole request's time
  Estimate watts;
  Estimate joules_per_token;
  Estimate usd_per_million_tokens;
  std::vector<Influence> influences;  // largest first
  std::vector<DevicePrefill> prefill;
};

// InvalidArgument names what is out of range (kv, users, prompt, generate from 1 to 2^31, an
// impossible shape); ResourceExhausted says with the arithmetic what does not fit.
absl::StatusOr<Prediction> Predict(const PredictionTask& task);

}  // namespace waferline::placement
