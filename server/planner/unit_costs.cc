// What a system, a system-hour and a million tokens cost.
#include <algorithm>
#include <map>

#include "server/planner/money.h"

namespace waferline::planner {
namespace {

constexpr double kHoursAYear = 8760;

// Units of each stage that one system takes; 0 for second sources.
std::vector<double> UnitsOfSystem(const Plan& plan, const Values& values) {
  std::vector<double> units(plan.stages.size());
  units.back() = 1;
  for (size_t s = plan.stages.size(); s-- > 0;) {
    for (const Need& need : plan.stages[s].needs) {
      units[need.stage] = units[s] * values[need.units.index];
    }
  }
  return units;
}

}  // namespace

double SystemCost(const Plan& plan, const Values& values) {
  const std::vector<double> units = UnitsOfSystem(plan, values);
  double usd = values[plan.finance->other_cost_usd.index];
  for (size_t s = 0; s < units.size(); ++s) {
    usd += units[s] * values[plan.stages[s].unit_cost_usd.index];
  }
  return usd;
}

std::vector<SupplierShare> SupplierShares(const Plan& plan, const Values& values) {
  const std::vector<double> units = UnitsOfSystem(plan, values);
  std::map<std::string, double> by;
  by["(others)"] = values[plan.finance->other_cost_usd.index];
  for (size_t s = 0; s < units.size(); ++s) {
    by[plan.stages[s].supplier] += units[s] * values[plan.stages[s].unit_cost_usd.index];
  }
  const double total = std::max(1e-9, SystemCost(plan, values));
  std::vector<SupplierShare> shares;
  for (const auto& [supplier, usd] : by) {
    if (usd > 0) shares.push_back({supplier, usd, usd / total});
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.usd > b.usd; });
  return shares;
}

double MeanKw(const Plan& plan, const Values& values) {
  const Finance& finance = *plan.finance;
  const double idle = values[finance.idle_share.index];
  return values[finance.watts.index] * 1e-3 *
         (idle + (1 - idle) * values[finance.utilisation.index]);
}

SystemHour CostOfSystemHour(const Plan& plan, const Values& values) {
  const Finance& finance = *plan.finance;
  const auto v = [&](Par par) { return values[par.index]; };
  double mw = 0, usd = 0;
  for (const Hall& hall : plan.halls) {
    for (const HallStep& step : hall.steps) {
      mw += v(step.mw);
      usd += v(step.mw) * v(hall.usd_per_mw_month);
    }
  }
  const double cost = SystemCost(plan, values);
  return {.depreciation = cost / (v(finance.life_years) * kHoursAYear),
          .electricity = MeanKw(plan, values) * v(finance.pue) * v(finance.usd_per_kwh),
          .lease = mw > 0 ? usd / mw * 12 * v(plan.kw_per_system) * 1e-3 / kHoursAYear : 0,
          .staff = cost * v(finance.staff_share) / kHoursAYear};
}

std::vector<ModelCost> CostsOfModels(const Plan& plan, const Values& values) {
  const Finance& finance = *plan.finance;
  const double usd = CostOfSystemHour(plan, values).total();
  const double watts = MeanKw(plan, values) * 1e3 * values[finance.pue.index];
  std::vector<ModelCost> costs;
  for (const ServedModel& model : finance.models) {
    const double full = values[model.tokens_per_second.index];
    const double tokens_per_second = full * values[finance.utilisation.index];
    costs.push_back({model.name, full, usd / (tokens_per_second * 3600) * 1e6,
                     watts / tokens_per_second * 1e6});
  }
  return costs;
}

}  // namespace waferline::planner
