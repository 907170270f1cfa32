// The number types in which a wafer may hold weights. Pure, any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::timing {

struct WeightType {
  std::string_view name;
  double bytes;  // of one weight
};

// All of them, the larger first.
std::span<const WeightType> WeightTypes();

// Of one weight of type "fp32", "fp16", "bf16", "fp8", "int8", "fp4" or "int4"; InvalidArgument
// lists them.
absl::StatusOr<double> BytesPerWeight(std::string_view type);

// "fp32, fp16, ..." for help texts.
std::string WeightTypeNames();

}  // namespace waferline::timing
