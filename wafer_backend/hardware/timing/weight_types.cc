#include "wafer_backend/hardware/timing/weight_types.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::timing {
namespace {

constexpr WeightType kTypes[] = {{"fp32", 4}, {"fp16", 2},  {"bf16", 2},  {"fp8", 1},
                                 {"int8", 1}, {"fp4", 0.5}, {"int4", 0.5}};

}  // namespace

std::span<const WeightType> WeightTypes() { return kTypes; }

absl::StatusOr<double> BytesPerWeight(std::string_view type) {
  for (const auto& [name, bytes] : kTypes) {
    if (name == type) return bytes;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Absl(type), "\" must be one of: ", WeightTypeNames()));
}

std::string WeightTypeNames() {
  std::string names;
  for (const auto& [name, bytes] : kTypes) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", Absl(name));
  }
  return names;
}

}  // namespace waferline::timing
