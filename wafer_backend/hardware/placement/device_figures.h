// What a model does on accelerators alone, in the measures in which such machines are published,
// and the published figures of a hardware file next to it. Pure; any thread; some microseconds a
// figure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::placement {

struct DeviceTask {
  const timing::ModelSizes& shape;
  const silicon::Hardware& hardware;  // an accelerator
  int devices = 0;                    // 0: the fewest that hold weights and one sequence
  double bytes_per_weight = 2, bytes_per_kv_value = 2;
  int64_t kv = 1024;  // cached positions a user, of token_seconds
  int64_t users = 1;
  int64_t prompt = 1024, generate = 128;
};

struct DeviceFigures {
  int devices = 0;
  bool pipeline = false;  // of chips that hold a layer each
  double weight_bytes = 0;
  int64_t users_by_memory = 0;
  double token_seconds = 0;        // `users` decode at `kv` positions: one token of each
  double first_token_seconds = 0;  // of a prompt alone
  // Requests of `prompt` and `generate` tokens, one after another: of `users` at once, and of as
  // many as make most (0 where memory holds no such request, and for pipelines).
  double tokens_per_second = 0, full_per_second = 0;
  double watts = 0, usd_per_hour = 0;
};

// InvalidArgument: the hardware is a wafer, or a number is out of [1, 2^31]. ResourceExhausted:
// what does not fit.
absl::StatusOr<DeviceFigures> FiguresOf(const DeviceTask& task);

// One figure of a file's `check:` list and what is predicted for it, in its measure.
struct CheckedFigure {
  std::string name;  // "llama-3.1-8b fp8 on 1 x h200, 128 in, 2048 out, maximum load"
  const silicon::PublishedFigures* from = nullptr;
  double published = 0;
  double predicted = 0;
  // Or "ms to first token", "ms a token"; over another machine "x tokens/s", "x the time".
  const char* unit = "tokens/s";
  bool inside() const {
    return predicted <= published * (1 + from->within) &&
           predicted >= published / (1 + from->within);
  }
};
// In the list's order; the hardware must outlive them. InvalidArgument names a model or number type
// that is not known.
absl::StatusOr<std::vector<CheckedFigure>> CheckFigures(const silicon::Hardware& hardware);

}  // namespace waferline::placement
