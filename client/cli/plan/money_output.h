// A plan's money as text and JSON. Pure but for printing.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "server/planner/money.h"

namespace waferline::cli {

// The months of one calendar year, summed; its balance is that of the last month.
struct YearMoney {
  int year = 0;
  planner::MonthMoney sum;
};
std::vector<YearMoney> YearsOf(const planner::MoneyRun& run);

// What the plan's models cost at the speed's value and at both ends of its range.
struct ModelRange {
  planner::ModelCost value, low, high;  // low, high: of the speed
};
std::vector<ModelRange> ModelRanges(const planner::Plan& plan, const planner::Values& values);

void PrintMoney(const planner::Plan& plan, const planner::MoneyRun& run);
// {months: [... in cents ...], peak_cash_need_usd, ...}: added to a plan's document.
void AddMoneyJson(const planner::Plan& plan, const planner::MoneyRun& run,
                  boost::json::object* document);

}  // namespace waferline::cli
