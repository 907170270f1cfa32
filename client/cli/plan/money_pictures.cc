// The pictures of a plan's page that are about money.
#include <fmt/format.h>

#include <algorithm>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/flow_charts.h"
#include "client/cli/charts/line_chart.h"
#include "client/cli/plan/money_output.h"
#include "client/cli/plan/plan_page.h"
#include "server/planner/customers.h"

namespace waferline::cli {
namespace {

double MillionUsd(int64_t cents) { return static_cast<double>(cents) * 1e-8; }

}  // namespace

std::string DrawYears(const PlanStudy& study) {
  PartsChart chart{
      .title = "Where a year's revenue goes, before contra-revenue",
      .x_label = "million $; what is beyond the revenue is a loss",
      .part_names = {"electricity", "lease", "staff", "depreciation", "contra-revenue", "income"}};
  for (const YearMoney& year : YearsOf(study.money)) {
    const planner::MonthMoney& m = year.sum;
    chart.bars.push_back({fmt::format("{}, revenue {:.0f}", year.year,
                                      MillionUsd(m.contracted + m.passed_through + m.spot)),
                          {MillionUsd(m.electricity), MillionUsd(m.lease), MillionUsd(m.staff),
                           MillionUsd(m.depreciation), MillionUsd(m.contra),
                           std::max(0.0, MillionUsd(m.operating_income()))}});
  }
  return DrawParts(chart);
}

std::string DrawRevenue(const PlanStudy& study) {
  planner::MonthMoney all;
  for (const planner::MonthMoney& m : study.money.months) {
    all.contracted += m.contracted;
    all.spot += m.spot;
    all.passed_through += m.passed_through;
    all.contra += m.contra;
    all.electricity += m.electricity;
    all.lease += m.lease;
    all.staff += m.staff;
    all.depreciation += m.depreciation + m.written_off;
  }
  return DrawWaterfall({.title = "From what is billed to what is earned, over the whole plan",
                        .x_label = "million $",
                        .steps = {{"contracted", MillionUsd(all.contracted)},
                                  {"tokens sold beyond it", MillionUsd(all.spot)},
                                  {"passed through", MillionUsd(all.passed_through)},
                                  {"contra-revenue", -MillionUsd(all.contra)},
                                  {.name = "revenue", .total = true},
                                  {"electricity", -MillionUsd(all.electricity)},
                                  {"lease", -MillionUsd(all.lease)},
                                  {"staff", -MillionUsd(all.staff)},
                                  {"depreciation", -MillionUsd(all.depreciation)},
                                  {.name = "operating income", .total = true}}});
}

std::string DrawCustomers(const PlanStudy& study) {
  PartsChart chart{.title = "On how few customers each year's revenue rests",
                   .x_label = "% of the revenue before contra-revenue"};
  const auto years = planner::CustomersOf(study.plan, study.plan.BaseValues(), study.money);
  for (const planner::CustomerYear& year : years) {
    for (const contracts::CustomerShare& one : year.revenue.shares) {
      const auto at = std::find(chart.part_names.begin(), chart.part_names.end(), one.name);
      if (at == chart.part_names.end()) chart.part_names.push_back(one.name);
    }
  }
  chart.part_names.emplace_back("tokens sold to others");
  for (const planner::CustomerYear& year : years) {
    PartsChart::Bar bar{.label = fmt::format("{}: HHI {:.2f}", year.year, year.revenue.hhi_low),
                        .parts = std::vector<double>(chart.part_names.size())};
    double rest = 100;
    for (const contracts::CustomerShare& one : year.revenue.shares) {
      const auto at = std::find(chart.part_names.begin(), chart.part_names.end(), one.name);
      bar.parts[static_cast<size_t>(at - chart.part_names.begin())] = 100 * one.share;
      rest -= 100 * one.share;
    }
    bar.parts.back() = std::max(0.0, rest);
    chart.bars.push_back(std::move(bar));
  }
  return DrawParts(chart);
}

std::string DrawSystemHour(const planner::Plan& plan) {
  const planner::Values values = plan.BaseValues();
  const planner::Finance& finance = *plan.finance;
  const planner::SystemHour hour = planner::CostOfSystemHour(plan, values);
  const auto of = [&](planner::Par par) { return values[par.index]; };
  const double price = of(finance.price_usd_per_system_hour);
  const double paid_back = hour.electricity * of(finance.pass_through_power) +
                           hour.lease * of(finance.pass_through_lease);
  const double contra = price * of(finance.contra_share);
  const double left = price + paid_back - contra - hour.total();
  SankeyChart chart{.title = left < 0 ? "A contracted system-hour costs more than it earns"
                                      : "Where a contracted system-hour's dollars go",
                    .unit = "$",
                    .source = left < 0 ? "price, paid back and loss" : "price and paid back",
                    .flows = {{"depreciation", hour.depreciation},
                              {"electricity", hour.electricity},
                              {"lease", hour.lease},
                              {"staff", hour.staff},
                              {"contra-revenue", contra},
                              {"income", std::max(0.0, left)}}};
  return DrawSankey(chart);
}

std::string DrawSuppliers(const planner::Plan& plan) {
  PartsChart chart{.title = "Who gets what of a system's cost", .x_label = "$"};
  PartsChart::Bar bar{.label = "a system"};
  for (const planner::SupplierShare& share : planner::SupplierShares(plan, plan.BaseValues())) {
    chart.part_names.push_back(fmt::format("{} {:.0f} %", share.supplier, 100 * share.share));
    bar.parts.push_back(share.usd);
  }
  chart.bars = {std::move(bar)};
  return DrawParts(chart);
}

std::string DrawTiers(const planner::Plan& plan, const std::vector<planner::TierRange>& tiers) {
  LineChart chart{.title = "What a million tokens costs, by the share that wafers serve",
                  .x_label = "% of the tokens on wafers, the rest on " + plan.demand->node,
                  .y_label = "$ a million tokens"};
  LineChart::Band band{.name = "P10 to P90"};
  LineChart::Series value{.name = "both tiers", .marked = true};
  for (const planner::TierRange& tier : tiers) {
    const double x = 100 * tier.value.share;
    band.low.push_back({x, tier.usd_per_million_tokens.p10});
    band.high.push_back({x, tier.usd_per_million_tokens.p90});
    value.points.push_back({x, tier.value.usd_per_million_tokens});
  }
  chart.bands.push_back(std::move(band));
  chart.series.push_back(std::move(value));
  return DrawLines(chart);
}

}  // namespace waferline::cli
