// What the commands on plans share: the plan, --set, weeks as dates, the parameters as JSON. Values
// and pure functions; any thread.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/planner/monte_carlo.h"
#include "server/planner/plan.h"
#include "server/planner/supply.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

Operand PlanOperand();
std::vector<Flag> PlanFlags();

// The plan that the operand names, with what --set and --scale say; the second: --set alone.
absl::StatusOr<planner::Plan> ReadPlan(const Arguments& arguments);
absl::StatusOr<planner::Plan> ReadPlanSet(const Arguments& arguments);

// "2026-07-06", the first day of the week.
std::string DateOf(const planner::Plan& plan, int week);
// As a number of years, for pictures: 2026.5.
double YearOf(const planner::Plan& plan, double week);

// Every stated parameter: name, value, low, high, mark, source.
boost::json::array ParametersJson(const planner::Plan& plan);
// "wafers", "halls (full)": what binds, and why if that is not its capacity.
std::string BindingText(const planner::Plan& plan, const planner::Binding& binding);

// How many of planner::Figure a plan has: those of money need finance.
size_t ShownFigures(const planner::Plan& plan);

// Weeks in a row with the same binding.
struct BindingSpan {
  planner::Binding binding;
  int from_week = 0, to_week = 0;  // both included
};
std::vector<BindingSpan> BindingSpans(const planner::SupplyRun& run);

}  // namespace waferline::cli
