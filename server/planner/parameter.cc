#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/planner/parameter_form.h"
#include "server/planner/plan_reader.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::planner {

std::string RangeFault(const Parameter& parameter) {
  return absl::StrCat(parameter.name, " must be from ", NumberText(parameter.min), " to ",
                      NumberText(parameter.max));
}

absl::Status ChangeParameter(std::string_view assignment, bool scale, Plan* plan) {
  const size_t equals = assignment.find('=');
  double number = 0;
  if (equals == std::string_view::npos ||
      !absl::SimpleAtod(Absl(assignment.substr(equals + 1)), &number) || !std::isfinite(number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Absl(assignment), "\" is not NAME=NUMBER"));
  }
  const std::string_view name = assignment.substr(0, equals);
  std::vector<std::string_view> names;
  for (Parameter& parameter : plan->parameters) {
    names.push_back(parameter.name);
    if (parameter.name != name) continue;
    Fact fact = parameter.fact;
    for (double* at : {&fact.value, &fact.low, &fact.high}) *at = scale ? *at * number : number;
    if (!(fact.low >= parameter.min && fact.high <= parameter.max)) {
      return absl::InvalidArgumentError(
          absl::StrCat(RangeFault(parameter), ", is ", scale ? "then " : "",
                       NumberText(fact.low >= parameter.min ? fact.high : fact.low)));
    }
    fact.source = scale ? absl::StrCat(fact.source, "; times ", number) : "set by hand";
    parameter.fact = fact;
    parameter.stated = true;
    return absl::OkStatus();
  }
  // "lead_weeks": of which stage?
  std::string ends;
  for (const std::string_view one : names) {
    if (one.ends_with(absl::StrCat(".", Absl(name)))) {
      absl::StrAppend(&ends, ends.empty() ? "; there are " : ", ", Absl(one));
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("the plan has no parameter \"", Absl(name), "\"",
                                                 ends.empty() ? DidYouMean(name, names) : ends));
}

}  // namespace waferline::planner
