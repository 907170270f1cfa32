#include "client/cli/billing/contract_pictures.h"

#include <algorithm>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/line_chart.h"

namespace waferline::cli {
namespace {

constexpr double kMonthsAYear = 12;

double YearOf(Month month) { return month.year + (month.month - 1) / kMonthsAYear; }

}  // namespace

std::string DrawSchedule(const contracts::Contract& contract, const contracts::Schedule& schedule) {
  LineChart::Series committed{.name = "committed"}, billed{.name = "billed"},
      recognised{.name = "recognised"};
  for (const contracts::ScheduleMonth& row : schedule.months) {
    const double x = YearOf(row.month);
    committed.points.push_back({x, row.committed.as_double() * 1e-8});
    billed.points.push_back({x, row.billed.as_double() * 1e-8});
    recognised.points.push_back({x, row.recognised.as_double() * 1e-8});
  }
  return DrawLines({.title = contract.name + ", month by month",
                    .y_label = "million $ a month",
                    .series = {std::move(committed), std::move(billed), std::move(recognised)}});
}

std::string DrawObligations(const contracts::Contract& contract,
                            const contracts::Schedule& schedule, Month at) {
  PartsChart chart{.title = "When obligations fall due",
                   .x_label = "% of the obligations",
                   .part_names = {"in 24 months", "in months 25 to 48", "later"}};
  const auto add = [&](Month month) {
    const contracts::Obligations due = ObligationsAt(schedule, month);
    const double percent = 100 / std::max(1.0, due.total.as_double());
    chart.bars.push_back({month.Text() + ", this contract",
                          {due.next_two_years.as_double() * percent,
                           due.two_after.as_double() * percent, due.later.as_double() * percent}});
  };
  const auto is_at = [at](const contracts::Disclosure& d) { return d.at == at; };
  if (std::none_of(contract.disclosed.begin(), contract.disclosed.end(), is_at)) add(at);
  for (const contracts::Disclosure& published : contract.disclosed) {
    add(published.at);
    chart.bars.push_back({published.at.Text() + ", disclosed",
                          {published.next_two_years, published.two_after, published.later}});
  }
  return DrawParts(chart);
}

}  // namespace waferline::cli
