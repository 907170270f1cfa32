// The fleets that a search chooses from: every combination of some fields' values. Plain values,
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::search {

inline constexpr size_t kMaxVariants = 100'000;

// One --vary. `ordered`: a range LOW:HIGH[:STEP] of whole numbers, of which more is more machine,
// so that a search may infer from one value to others. A list V1,V2,... is not.
struct Axis {
  std::string path;  // "models.0.prefill.workers"
  std::vector<std::string> values;
  bool ordered = false;
};

// "PATH=LOW:HIGH[:STEP]" or "PATH=V1,V2,...".
absl::StatusOr<Axis> ParseAxis(std::string_view text);
// Each by ParseAxis. InvalidArgument too if a path is given twice or there are more than
// kMaxVariants combinations.
absl::StatusOr<std::vector<Axis>> ParseAxes(const std::vector<std::string>& texts);

// A variant by the index of its value on each axis.
using Place = std::vector<uint32_t>;
// All combinations; the last axis changes fastest.
std::vector<Place> AllPlaces(const std::vector<Axis>& axes);
std::vector<Override> OverridesOf(const std::vector<Axis>& axes, const Place& place);
// "models.0.prefill.workers=2 models.0.decode.0.units=1".
std::string LabelOf(const std::vector<Override>& overrides);

// The value after `index` of an ordered axis; past the end of the range one step beyond it.
std::string NextValue(const Axis& axis, uint32_t index);

}  // namespace waferline::search
