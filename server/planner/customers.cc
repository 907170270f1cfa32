#include "server/planner/customers.h"

#include <cmath>
#include <map>

#include "server/money/proportion.h"
#include "server/planner/supply.h"

namespace waferline::planner {
namespace {

constexpr double kMillionths = 1e6;

// MW-weeks of each promise in each month, in millionths.
std::vector<std::vector<int64_t>> Weights(const Plan& plan, const Values& values,
                                          const MoneyRun& money) {
  std::vector<std::vector<int64_t>> weights(money.months.size(),
                                            std::vector<int64_t>(plan.promises.size()));
  for (int week = 0; week < plan.weeks; ++week) {
    const int month =
        MonthOf(plan.start_us + week * 7 * kMicrosecondsPerDay) - money.months.front().month;
    for (size_t p = 0; p < plan.promises.size(); ++p) {
      const double mw = PromisedMw(plan.promises[p], values, static_cast<size_t>(week));
      weights[static_cast<size_t>(month)][p] += std::llround(mw * kMillionths);
    }
  }
  return weights;
}

}  // namespace

std::vector<CustomerYear> CustomersOf(const Plan& plan, const Values& values,
                                      const MoneyRun& money) {
  const std::vector<std::vector<int64_t>> weights = Weights(plan, values, money);
  std::map<int, std::vector<contracts::CustomerRevenue>> years;
  for (size_t m = 0; m < money.months.size(); ++m) {
    const MonthMoney& month = money.months[m];
    std::vector<contracts::CustomerRevenue>& year = years[month.month.year];
    const std::vector<int64_t> shares =
        Apportion(month.contracted + month.passed_through, weights[m]);
    for (size_t p = 0; p < shares.size(); ++p) {
      year.push_back(
          {plan.promises[p].customer, plan.promises[p].group, ::waferline::Cents(shares[p])});
    }
    year.push_back({.customer = "*", .group = "*", .revenue = ::waferline::Cents(month.spot)});
  }
  std::vector<CustomerYear> out;
  for (const auto& [year, customers] : years) {
    auto revenue = contracts::ConcentrationOf(customers, /*by_group=*/true);
    if (revenue.ok()) out.push_back({year, *std::move(revenue)});
  }
  return out;
}

}  // namespace waferline::planner
