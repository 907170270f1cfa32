// The number types in which a wafer may hold weights. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::timing {

// Of one weight of type "fp32", "fp16", "bf16", "fp8", "int8", "fp4" or "int4"; InvalidArgument
// lists them.
absl::StatusOr<double> BytesPerWeight(std::string_view type);

// "fp32, fp16, ..." for help texts.
std::string WeightTypeNames();

}  // namespace waferline::timing
