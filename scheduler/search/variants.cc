#include "scheduler/search/variants.h"

#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::search {
namespace {

absl::Status Wrong(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", Absl(text), "\" ", Absl(what)));
}

absl::Status AddRange(std::string_view range, Axis* axis) {
  constexpr int64_t kMax = 1'000'000'000'000;
  int64_t bounds[3] = {0, 0, 1};
  size_t given = 0;
  for (const absl::string_view part : absl::StrSplit(Absl(range), ':')) {
    if (given == 3 || !absl::SimpleAtoi(part, &bounds[given]) || bounds[given] < 0 ||
        bounds[given] > kMax) {
      return Wrong(range, "must be LOW:HIGH or LOW:HIGH:STEP of whole numbers, 0 to 1e12");
    }
    ++given;
  }
  const auto [low, high, step] = bounds;
  if (low > high || step < 1) return Wrong(range, "must rise: LOW <= HIGH and STEP at least 1");
  if ((high - low) / step >= static_cast<int64_t>(kMaxVariants)) {
    return Wrong(range, absl::StrCat("has more than ", kMaxVariants, " values"));
  }
  for (int64_t value = low; value <= high; value += step) {
    axis->values.push_back(absl::StrCat(value));
  }
  axis->ordered = true;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Axis> ParseAxis(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return Wrong(text, "is not PATH=LOW:HIGH[:STEP] or PATH=VALUE,VALUE,...");
  }
  Axis axis{.path = std::string(text.substr(0, equals))};
  const std::string_view values = text.substr(equals + 1);
  if (values.find(':') != std::string_view::npos && values.find(',') == std::string_view::npos) {
    WL_RETURN_IF_ERROR(AddRange(values, &axis));
    return axis;
  }
  std::set<std::string> seen;
  for (const absl::string_view value : absl::StrSplit(Absl(values), ',')) {
    if (value.empty()) return Wrong(text, "has an empty value");
    axis.values.emplace_back(value);
    if (!seen.insert(axis.values.back()).second) {
      return Wrong(text, absl::StrCat("gives ", value, " twice"));
    }
  }
  return axis;
}

absl::StatusOr<std::vector<Axis>> ParseAxes(const std::vector<std::string>& texts) {
  std::vector<Axis> axes;
  std::set<std::string> paths;
  size_t combinations = 1;
  for (const std::string& text : texts) {
    WL_ASSIGN_OR_RETURN(Axis axis, ParseAxis(text));
    if (!paths.insert(axis.path).second) {
      return absl::InvalidArgumentError(axis.path + " is given twice");
    }
    combinations *= axis.values.size();
    if (combinations > kMaxVariants) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kMaxVariants, " combinations of values"));
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

std::vector<Place> AllPlaces(const std::vector<Axis>& axes) {
  std::vector<Place> places(1);
  for (const Axis& axis : axes) {
    std::vector<Place> next;
    next.reserve(places.size() * axis.values.size());
    for (const Place& place : places) {
      for (uint32_t value = 0; value < axis.values.size(); ++value) {
        next.push_back(place);
        next.back().push_back(value);
      }
    }
    places = std::move(next);
  }
  return places;
}

std::vector<Override> OverridesOf(const std::vector<Axis>& axes, const Place& place) {
  std::vector<Override> overrides;
  for (size_t i = 0; i < axes.size(); ++i) {
    overrides.emplace_back(axes[i].path, axes[i].values[place[i]]);
  }
  return overrides;
}

std::string LabelOf(const std::vector<Override>& overrides) {
  std::string label;
  for (const auto& [path, value] : overrides) {
    absl::StrAppend(&label, label.empty() ? "" : " ", path, "=", value);
  }
  return label;
}

std::string NextValue(const Axis& axis, uint32_t index) {
  if (index + 1 < axis.values.size()) return axis.values[index + 1];
  int64_t last = 0, before = 0;
  if (!absl::SimpleAtoi(axis.values.back(), &last)) return axis.values.back();
  if (axis.values.size() < 2 || !absl::SimpleAtoi(axis.values[axis.values.size() - 2], &before)) {
    return absl::StrCat(last + 1);
  }
  return absl::StrCat(last + (last - before));
}

}  // namespace waferline::search
