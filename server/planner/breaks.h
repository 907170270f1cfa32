// What breaks first: for how long each stage, each supplier and the halls can stop without
// missing what is promised, and what a longer stop costs. Pure; a few hundred runs of the supply.
//
// Missed is a week in which less is online than both what is promised and what the plan has
// online without the stop: where the plan itself is short, a stop is blamed for its own part only.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "server/planner/plan.h"
#include "server/planner/supply.h"

namespace waferline::planner {

struct BreakOptions {
  int week = 26;                           // when the stop begins
  std::array<int, 3> slips = {4, 13, 26};  // weeks
};

struct Break {
  std::string name;            // a stage, "halls", or a supplier with what it supplies
  std::vector<size_t> stages;  // none: the halls
  // The longest stop without a missed week; plan.weeks: none of any length misses one.
  int slack_weeks = 0;
  int first_missed_week = -1;         // of the middle slip; -1: none
  std::array<double, 3> mw_months{};  // missed, for each slip
  // What one unit a week more, and one week less of lead time, would add until the horizon.
  double mw_months_of_one_more = 0;
  double mw_months_of_a_week_less = 0;
  // Its parameters that are guesses (mark "?"): what this row rests on.
  std::vector<std::string> guesses;
};

struct PairBreak {
  std::string first, second;
  std::array<double, 3> mw_months{};
  double beyond_sum = 0;  // of the middle slip: more than both stops cost by themselves
};

// Stages and the halls, the least slack first, then the most MW-months of the middle slip.
std::vector<Break> StageBreaks(const Plan& plan, const Values& values, const BreakOptions& options);
// The same by supplier: all its stages stand at the same time.
std::vector<Break> SupplierBreaks(const Plan& plan, const Values& values,
                                  const BreakOptions& options);
// Every two suppliers (the halls count as one) at the same time, the most MW-months first.
std::vector<PairBreak> PairBreaks(const Plan& plan, const Values& values,
                                  const BreakOptions& options);

}  // namespace waferline::planner
