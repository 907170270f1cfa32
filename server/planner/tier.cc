#include "server/planner/tier.h"

#include <cmath>

#include "server/planner/money.h"

namespace waferline::planner {
namespace {

constexpr double kSecondsADay = 86400;
constexpr double kSecondsAnHour = 3600;

// Units that carry `tokens` a second at the peak.
int64_t UnitsFor(double tokens, double of_unit) {
  return static_cast<int64_t>(std::ceil(tokens / of_unit));
}

TierFleet Wafers(const Plan& plan, Values values, double mean) {
  const ServedModel& model = plan.finance->models.front();
  const double of_system = values[model.tokens_per_second.index];
  const double peak = mean * values[plan.demand->peak_over_mean.index];
  TierFleet fleet{.units = UnitsFor(peak, of_system * model.wafers), .tokens_per_second = mean};
  if (fleet.units == 0) return fleet;
  fleet.machines = fleet.units * model.wafers;
  const auto machines = static_cast<double>(fleet.machines);
  fleet.utilisation = mean / (machines * of_system);
  values[plan.finance->utilisation.index] = fleet.utilisation;
  fleet.usd_per_hour = machines * CostOfSystemHour(plan, values).total();
  fleet.mw = machines * MeanKw(plan, values) * values[plan.finance->pue.index] * 1e-3;
  return fleet;
}

TierFleet Nodes(const Plan& plan, const Values& values, double mean) {
  const Demand& demand = *plan.demand;
  const double of_node = values[demand.node_tokens_per_second.index];
  const double peak = mean * values[demand.peak_over_mean.index];
  TierFleet fleet{.units = UnitsFor(peak, of_node), .tokens_per_second = mean};
  if (fleet.units == 0) return fleet;
  fleet.machines = fleet.units;
  const auto nodes = static_cast<double>(fleet.units);
  const double idle = values[plan.finance->idle_share.index];
  fleet.utilisation = mean / (nodes * of_node);
  fleet.usd_per_hour = nodes * values[demand.node_usd_per_hour.index];
  fleet.mw = nodes * values[demand.node_watts.index] * (idle + (1 - idle) * fleet.utilisation) *
             values[plan.finance->pue.index] * 1e-6;
  return fleet;
}

}  // namespace

TierPoint TierAt(const Plan& plan, const Values& values, double share) {
  const double mean = values[plan.demand->tokens_per_day.index] / kSecondsADay;
  TierPoint point{.share = share,
                  .fast = Wafers(plan, values, mean * share),
                  .rest = Nodes(plan, values, mean * (1 - share))};
  const double usd = point.fast.usd_per_hour + point.rest.usd_per_hour;
  point.usd_per_million_tokens = usd / (mean * kSecondsAnHour) * 1e6;
  point.joules_per_million_tokens = point.mw() * 1e6 / mean * 1e6;
  return point;
}

TierRange TierRangeAt(const Plan& plan, double share, int runs, uint64_t seed) {
  TierRange range{.value = TierAt(plan, plan.BaseValues(), share)};
  std::vector<double> usd, joules;
  for (int run = 0; run < runs; ++run) {
    const TierPoint point = TierAt(plan, DrawValues(plan, seed, static_cast<uint64_t>(run)), share);
    usd.push_back(point.usd_per_million_tokens);
    joules.push_back(point.joules_per_million_tokens);
  }
  range.usd_per_million_tokens = SpreadOf(std::move(usd));
  range.joules_per_million_tokens = SpreadOf(std::move(joules));
  return range;
}

}  // namespace waferline::planner
