#include "server/planner/tier.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "server/planner/money.h"
#include "server/planner/plan_reader.h"

namespace waferline::planner {
namespace {

Plan Shipped() {
  auto plan = LoadPlan("750mw");
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  return *std::move(plan);
}

double Of(const Plan& plan, Par par) { return plan.BaseValues()[par.index]; }

TEST_CASE("no share and the whole share are the pure fleets") {
  const Plan plan = Shipped();
  const double mean = Of(plan, plan.demand->tokens_per_day) / 86400;
  const double peak = mean * Of(plan, plan.demand->peak_over_mean);
  const ServedModel& model = plan.finance->models.front();

  const TierPoint none = TierAt(plan, plan.BaseValues(), 0);
  REQUIRE(none.fast.machines == 0);
  REQUIRE(none.fast.usd_per_hour == 0);
  const double nodes = std::ceil(peak / Of(plan, plan.demand->node_tokens_per_second));
  REQUIRE(static_cast<double>(none.rest.units) == nodes);
  REQUIRE(none.usd_per_million_tokens ==
          Approx(nodes * Of(plan, plan.demand->node_usd_per_hour) / (mean * 3600) * 1e6));

  const TierPoint all = TierAt(plan, plan.BaseValues(), 1);
  REQUIRE(all.rest.machines == 0);
  REQUIRE(all.rest.mw == 0);
  const double of_system = Of(plan, model.tokens_per_second);
  REQUIRE(static_cast<double>(all.fast.machines) ==
          std::ceil(peak / (of_system * model.wafers)) * model.wafers);
  Values busy = plan.BaseValues();
  busy[plan.finance->utilisation.index] = all.fast.utilisation;
  REQUIRE(all.usd_per_million_tokens == Approx(CostsOfModels(plan, busy).front().usd_per_million));
}

TEST_CASE("what both tiers serve is what is wanted, at any share, and each has room for its peak") {
  const Plan plan = Shipped();
  const double mean = Of(plan, plan.demand->tokens_per_day) / 86400;
  for (int i = 0; i <= 20; ++i) {
    const TierPoint point = TierAt(plan, plan.BaseValues(), i / 20.0);
    REQUIRE(point.fast.tokens_per_second + point.rest.tokens_per_second == Approx(mean));
    for (const TierFleet& fleet : {point.fast, point.rest}) {
      REQUIRE(fleet.utilisation <= 1 / Of(plan, plan.demand->peak_over_mean) + 1e-12);
    }
  }
}

TEST_CASE("ranges hold the value of a plan without ranges, and repeat by their seed") {
  Plan plan = Shipped();
  const TierRange drawn = TierRangeAt(plan, 0.3, 50, 7);
  REQUIRE(drawn.usd_per_million_tokens.p10 < drawn.usd_per_million_tokens.p90);
  REQUIRE(TierRangeAt(plan, 0.3, 50, 7).usd_per_million_tokens.p50 ==
          drawn.usd_per_million_tokens.p50);
  for (Parameter& parameter : plan.parameters) {
    parameter.fact.low = parameter.fact.high = parameter.fact.value;
  }
  const TierRange fixed = TierRangeAt(plan, 0.3, 5, 7);
  REQUIRE(fixed.usd_per_million_tokens.p10 == fixed.value.usd_per_million_tokens);
  REQUIRE(fixed.usd_per_million_tokens.p90 == fixed.value.usd_per_million_tokens);
}

TEST_CASE("a contract gives its plan megawatts, weeks and the price of a system-hour") {
  const Plan plan = Shipped();
  const Promise& promise = plan.promises.front();
  REQUIRE(Of(plan, promise.mw) == 750);
  REQUIRE(Of(plan, promise.from_week) == 0);
  REQUIRE(Of(plan, promise.to_week) == 156);
  // 20e9 $ / (750 MW / 23 kW x 4.5 years x 8766 hours), and terms of 5 and 4 years.
  const Fact& price = plan.parameters[plan.finance->price_usd_per_system_hour.index].fact;
  REQUIRE(price.value == Approx(20e9 / (750e3 / 23 * 4.5 * 8766)).epsilon(0.002));
  REQUIRE(price.low == Approx(14.0).epsilon(0.002));
  REQUIRE(price.high == Approx(17.5).epsilon(0.002));
}

}  // namespace
}  // namespace waferline::planner
