#include "server/planner/monte_carlo.h"

#include <catch2/catch.hpp>

#include "plan_text.h"
#include "server/planner/money.h"
#include "server/planner/plan_reader.h"

namespace waferline::planner {
namespace {

Plan LoadShipped(const std::string& name) {
  auto plan = LoadPlan(name);
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  return *std::move(plan);
}

TEST_CASE("without ranges every run is the plan itself") {
  Plan plan = LoadShipped("750mw");
  for (Parameter& parameter : plan.parameters) {
    parameter.fact.low = parameter.fact.high = parameter.fact.value;
  }
  const Figures base = FiguresOf(plan, plan.BaseValues());
  const MonteCarlo mc = RunMonteCarlo(plan, 20, 3, {});
  for (size_t f = 0; f < kFigures; ++f) {
    REQUIRE(mc.figures[f].p10 == base[f]);
    REQUIRE(mc.figures[f].p90 == base[f]);
  }
  const MoneyRun money = RunMoney(plan, plan.BaseValues(), RunSupply(plan, plan.BaseValues()));
  REQUIRE(mc.cash_usd.back().p50 == Approx(static_cast<double>(money.months.back().cash) / 100));
  REQUIRE(Tornado(plan, Figure::kShort).empty());
}

TEST_CASE("draws are within their ranges, triangular, and keyed by seed, run and name") {
  const Plan plan = LoadShipped("750mw");
  const size_t lead = plan.stages[0].lead_weeks.index;
  const Fact& fact = plan.parameters[lead].fact;
  double sum = 0;
  constexpr int kRuns = 4'000;
  for (uint64_t run = 0; run < kRuns; ++run) {
    const Values values = DrawValues(plan, 7, run);
    for (size_t p = 0; p < values.size(); ++p) {
      REQUIRE(values[p] >= plan.parameters[p].fact.low - 1e-9);
      REQUIRE(values[p] <= plan.parameters[p].fact.high + 1e-9);
    }
    sum += values[lead];
  }
  REQUIRE(sum / kRuns == Approx((fact.low + fact.value + fact.high) / 3).epsilon(0.02));
  REQUIRE(DrawValues(plan, 7, 5) == DrawValues(plan, 7, 5));
  REQUIRE(DrawValues(plan, 7, 5) != DrawValues(plan, 8, 5));
  REQUIRE(DrawValues(plan, 7, 5) != DrawValues(plan, 7, 6));
  // One parameter less leaves the others' draws alone.
  Plan fewer = plan;
  fewer.parameters[lead].fact.low = fewer.parameters[lead].fact.high = fact.value;
  const Values all = DrawValues(plan, 7, 5), some = DrawValues(fewer, 7, 5);
  for (size_t p = 0; p < all.size(); ++p) {
    if (p != lead) REQUIRE(all[p] == some[p]);
  }
}

TEST_CASE("spreads are in order, repeat by seed, and hold the base plan's tornado") {
  const Plan plan = LoadShipped("750mw");
  const MonteCarlo a = RunMonteCarlo(plan, 200, 1, {}), b = RunMonteCarlo(plan, 200, 1, {});
  for (size_t f = 0; f < kFigures; ++f) {
    CAPTURE(Name(static_cast<Figure>(f)));
    REQUIRE(a.figures[f].p10 <= a.figures[f].p50);
    REQUIRE(a.figures[f].p50 <= a.figures[f].p90);
    REQUIRE(a.figures[f].mean == b.figures[f].mean);
  }
  for (size_t w = 1; w < a.online_mw.size(); ++w) {
    REQUIRE(a.online_mw[w].p10 <= a.online_mw[w].p90);
  }
  const std::vector<Swing> swings = Tornado(plan, Figure::kSystemHour);
  REQUIRE(plan.parameters[swings[0].parameter].name == "finance.other_cost_usd");
  const double base = FiguresOf(plan, plan.BaseValues())[static_cast<size_t>(Figure::kSystemHour)];
  REQUIRE(swings[0].at_low < base);
  REQUIRE(base < swings[0].at_high);
}

}  // namespace
}  // namespace waferline::planner
