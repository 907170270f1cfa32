// Reads parameters of a plan from a YamlForm and gives them names. For the readers of this folder.
#pragma once

#include <string>

#include "server/planner/plan.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::planner {

// A mapping of the file with the prefix of its parameters' names ("stages.wafers.").
struct ParameterForm {
  YamlForm& form;
  Plan* plan;
  std::string prefix;

  // Required.
  Par Read(const std::string& field, Range range) {
    return Add(field, form.Number(field, range), range);
  }
  // `otherwise` if the file does not have it.
  Par ReadOr(const std::string& field, double otherwise, Range range) {
    if (form.Has(field)) return Read(field, range);
    const Par par = Add(field, {.value = otherwise, .low = otherwise, .high = otherwise}, range);
    plan->parameters[par.index].stated = false;
    return par;
  }
  Par Add(const std::string& field, const Fact& fact, Range range) {
    plan->parameters.push_back({prefix + field, fact, range.min, range.max});
    return {static_cast<uint32_t>(plan->parameters.size() - 1)};
  }
};

// "finance.pue must be from 1 to 4".
std::string RangeFault(const Parameter& parameter);

inline constexpr Range kShare{0, 1};
inline constexpr Range kWeeks{0, kMaxWeeks};
inline constexpr Range kMw{0, 1e5};
inline constexpr Range kUnits{0, 1e6};
inline constexpr Range kUsd{0, 1e12};
inline constexpr Range kSystemUsd{0, 1e7};  // of one system or part

}  // namespace waferline::planner
