#include "client/cli/plan/plan_flags.h"

#include "absl/strings/str_cat.h"
#include "server/planner/plan_reader.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {
namespace {

constexpr double kDaysAYear = 365.25;

// What --`flag`, set or scale, says of parameters.
absl::Status ChangeAll(const Arguments& arguments, const std::string& flag, planner::Plan* plan) {
  const std::vector<std::string> assignments = arguments.Texts(flag);
  absl::Status changed = ParseOverrides(assignments).status();
  for (const std::string& assignment : assignments) {
    if (changed.ok()) changed = planner::ChangeParameter(assignment, flag == "scale", plan);
  }
  if (changed.ok()) return changed;
  return UsageError(absl::StrCat("--", flag, ": ", std::string(changed.message())));
}

}  // namespace

Operand PlanOperand() { return {"NAME", "a plan of deploy/plans (750mw, 2gw, ...), or a path"}; }

std::vector<Flag> PlanFlags() {
  return {TextFlag("set", "NAME=VALUE",
                   "a parameter's value, as stages.power.lead_weeks=8; --json lists their names")
              .Repeatable(),
          TextFlag("scale", "NAME=FACTOR",
                   "a parameter's value and range times this: a price cut, a supplier's price")
              .Repeatable()};
}

absl::StatusOr<planner::Plan> ReadPlanSet(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(planner::Plan plan, planner::LoadPlan(arguments.operand(0)));
  WL_RETURN_IF_ERROR(ChangeAll(arguments, "set", &plan));
  return plan;
}

absl::StatusOr<planner::Plan> ReadPlan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(planner::Plan plan, ReadPlanSet(arguments));
  WL_RETURN_IF_ERROR(ChangeAll(arguments, "scale", &plan));
  return plan;
}

std::string DateOf(const planner::Plan& plan, int week) {
  return InstantText(plan.start_us + week * 7 * kMicrosecondsPerDay).substr(0, 10);
}

double YearOf(const planner::Plan& plan, double week) {
  const double days = static_cast<double>(plan.start_us) / kMicrosecondsPerDay + week * 7;
  return 1970 + days / kDaysAYear;
}

boost::json::array ParametersJson(const planner::Plan& plan) {
  boost::json::array out;
  for (const planner::Parameter& parameter : plan.parameters) {
    if (!parameter.stated) continue;
    out.push_back({{"parameter", parameter.name},
                   {"value", parameter.fact.value},
                   {"low", parameter.fact.low},
                   {"high", parameter.fact.high},
                   {"mark", std::string(1, static_cast<char>(parameter.fact.mark))},
                   {"source", parameter.fact.source}});
  }
  return out;
}

std::string BindingText(const planner::Plan& plan, const planner::Binding& binding) {
  const std::string name = planner::NameOf(plan, binding.stage);
  switch (binding.reason) {
    case planner::Reason::kRoom:
      return name + " (full)";
    case planner::Reason::kOutage:
      return name + " (outage)";
    default:
      return name;
  }
}

size_t ShownFigures(const planner::Plan& plan) { return plan.finance ? planner::kFigures : 2; }

std::vector<BindingSpan> BindingSpans(const planner::SupplyRun& run) {
  std::vector<BindingSpan> spans;
  for (size_t w = 0; w < run.binding.size(); ++w) {
    const planner::Binding& binding = run.binding[w];
    const int week = static_cast<int>(w);
    if (!spans.empty() && spans.back().binding.stage == binding.stage &&
        spans.back().binding.reason == binding.reason) {
      spans.back().to_week = week;
    } else {
      spans.push_back({binding, week, week});
    }
  }
  return spans;
}

}  // namespace waferline::cli
