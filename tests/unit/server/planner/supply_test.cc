#include "server/planner/supply.h"

#include <catch2/catch.hpp>
#include <random>

#include "plan_text.h"
#include "server/planner/breaks.h"
#include "server/planner/plan_reader.h"

namespace waferline::planner {
namespace {

Plan Make(const std::string& text) {
  auto plan = ParsePlan("test.yaml", text);
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  return *std::move(plan);
}
SupplyRun Run(const Plan& plan) { return RunSupply(plan, plan.BaseValues()); }

// started = good + scrap + in work; opening stock + good of all that add to it = taken + stock;
// online within the halls.
void CheckConservation(const Plan& plan, const Values& values, const SupplyRun& run) {
  for (size_t w = 0; w < run.online.size(); ++w) {
    for (size_t s = 0; s < plan.stages.size(); ++s) {
      const StageWeek& at = run.stages[s][w];
      CAPTURE(w, plan.stages[s].name);
      REQUIRE(at.started == at.good + at.scrap + at.in_work);
      REQUIRE(std::min({at.started, at.good, at.scrap, at.in_work, at.stock}) >= 0);
      if (plan.stages[s].into) continue;
      int64_t in = static_cast<int64_t>(values[plan.stages[s].stock.index]) + at.good;
      for (size_t o = 0; o < plan.stages.size(); ++o) {
        if (plan.stages[o].into == s) in += run.stages[o][w].good;
      }
      REQUIRE(in == at.taken + at.stock);
    }
    REQUIRE(static_cast<double>(run.online[w]) * values[plan.kw_per_system.index] <=
            run.hall_mw[w] * 1000 + 1e-6);
  }
}

TEST_CASE("one stage with a lead: rate x (weeks since the lead)") {
  for (const int lead : {0, 3, 16}) {
    const SupplyRun run = Run(Make(PlanText({{"only", 7.5, static_cast<double>(lead)}})));
    for (int w = 0; w < 104; ++w) {
      const auto expected = static_cast<int64_t>(7.5 * std::max(0, w + 1 - lead));
      REQUIRE(run.online[static_cast<size_t>(w)] == expected);
    }
  }
}

TEST_CASE("stages in series give the lower rate, and what is short is named") {
  const Plan plan =
      Make(PlanText({{"many", 1e6}, {"few", 5}, {"build", 1e6, 1, {{"many", 3}, {"few", 1}}}}));
  const SupplyRun run = Run(plan);
  REQUIRE(run.online[51] == 5 * 51);
  REQUIRE(NameOf(plan, run.binding[51].stage) == "few");
  const Plan slow = Make(PlanText({{"many", 1e6}, {"build", 4, 1, {{"many", 3}}}}));
  REQUIRE(Run(slow).online[51] == 4 * 51);
  REQUIRE(NameOf(slow, Run(slow).binding[51].stage) == "build");
  const Plan full = Make(PlanText({{"many", 1e6}, {"build", 4, 1, {{"many", 3}}}}, 40));
  REQUIRE(Run(full).online[51] == 40);
  REQUIRE(NameOf(full, Run(full).binding[51].stage) == "halls");
}

TEST_CASE("209 systems a week are 250 MW a year") {
  const SupplyRun run = Run(Make(PlanText({{"systems", 209}})));
  REQUIRE(static_cast<double>(run.online[51]) * 0.023 == Approx(250).margin(0.1));
}

TEST_CASE("what is not good is scrap, or comes back from rework") {
  const std::string good = "good: " + Stated(0.9) + ", ";
  const SupplyRun scrap = Run(Make(PlanText({{"only", 10, 1, {}, good}})));
  REQUIRE(scrap.online[100] == 900);
  REQUIRE(scrap.stages[0][100].scrap == 100);
  const SupplyRun rework =
      Run(Make(PlanText({{"only", 10, 1, {}, good + "rework_weeks: " + Stated(4) + ", "}})));
  REQUIRE(rework.stages[0][100].scrap == 0);
  REQUIRE(rework.online[100] == 900 + 96);
}

TEST_CASE("a stop shifts what comes after it, and a second source adds to the first") {
  const Plan plan = Make(PlanText({{"parts", 10, 2}, {"build", 100, 1, {{"parts", 1}}}}));
  const Outage stop{.stages = {0}, .week = 20, .weeks = 6};
  const SupplyRun base = Run(plan), stopped = RunSupply(plan, plan.BaseValues(), {&stop, 1});
  for (size_t w = 26; w < 104; ++w) REQUIRE(stopped.online[w] == base.online[w - 6]);
  REQUIRE(stopped.binding[22].reason == Reason::kOutage);
  Plan second = Make(PlanText({{"parts", 10, 2},
                               {"other", 5, 2, {}, "into: parts, enabled: " + Stated(0) + ", "},
                               {"build", 100, 1, {{"parts", 1}}}}));
  REQUIRE(Run(second).online == base.online);
  REQUIRE(ChangeParameter("stages.other.enabled=1", false, &second).ok());
  REQUIRE(Run(second).online[50] == base.online[50] / 10 * 15);
  CheckConservation(second, second.BaseValues(), Run(second));
}

// A line of four bought parts, assembly with rework, commissioning, two halls.
std::string RandomPlan(uint64_t seed) {
  std::mt19937_64 draw(seed);
  const auto in = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(draw);
  };
  std::vector<StageText> stages;
  std::vector<std::pair<std::string, int>> needs;
  for (const char* name : {"a", "b", "c", "d"}) {
    const int units = 1 + static_cast<int>(in(0, 4));
    needs.emplace_back(name, units);
    stages.push_back(
        {name,
         in(5, 30) * units,
         std::floor(in(0, 20)),
         {},
         fmt::format("good: {}, stock: {}, ", Stated(in(0.7, 1)), Stated(std::floor(in(0, 100))))});
  }
  stages.push_back({"assembly", in(5, 25), std::floor(in(0, 4)), needs,
                    fmt::format("good: {}, rework_weeks: {}, max_stock: 60, ", Stated(in(0.8, 1)),
                                Stated(std::floor(in(1, 5))))});
  stages.push_back({"commission", in(5, 25), std::floor(in(0, 5)), {{"assembly", 1}}});
  return PlanText(stages, in(200, 2000), in(200, 1000));
}

TEST_CASE("in every week of random plans nothing is lost or made up") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    const Plan plan = Make(RandomPlan(seed));
    CheckConservation(plan, plan.BaseValues(), Run(plan));
    const Outage stop{.stages = {seed % 6}, .halls = seed % 2 == 0, .week = 10, .weeks = 9};
    CheckConservation(plan, plan.BaseValues(), RunSupply(plan, plan.BaseValues(), {&stop, 1}));
  }
}

TEST_CASE("more capacity, room or stock, less lead or a shorter stop never mean fewer systems") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Plan plan = Make(RandomPlan(seed));
    const SupplyRun base = Run(plan);
    for (size_t p = 0; p < plan.parameters.size(); ++p) {
      const std::string& name = plan.parameters[p].name;
      CAPTURE(seed, name);
      Values better = plan.BaseValues();
      if (name.ends_with("per_week") || name.ends_with("stock")) {
        better[p] += 3;
      } else if (name.ends_with("steps.0.mw")) {
        better[p] += 50;
      } else if (name.ends_with("lead_weeks")) {
        better[p] = std::max(0.0, better[p] - 2);
      } else {
        continue;
      }
      const SupplyRun run = RunSupply(plan, better);
      for (size_t w = 0; w < run.online.size(); ++w) {
        CAPTURE(w);
        REQUIRE(run.online[w] >= base.online[w]);
      }
    }
    // A stop shifts the weeks in which fractions become whole units, so one may come a week
    // earlier.
    for (size_t s = 0; s < plan.stages.size(); ++s) {
      const Outage small{.stages = {s}, .week = 15, .weeks = 5},
          large{.stages = {s}, .week = 15, .weeks = 8};
      const SupplyRun less = RunSupply(plan, plan.BaseValues(), {&small, 1});
      const SupplyRun more = RunSupply(plan, plan.BaseValues(), {&large, 1});
      for (size_t w = 0; w < less.online.size(); ++w) REQUIRE(less.online[w] + 1 >= more.online[w]);
    }
  }
}

TEST_CASE("a stop as long as the slack misses nothing, one week more does") {
  for (const char* name : {"750mw", "750mw-supplier-slip"}) {
    const auto plan = LoadPlan(name);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    const Values values = plan->BaseValues();
    const std::vector<double> base = OnlineMw(*plan, values, RunSupply(*plan, values));
    std::vector<double> wanted = PromisedMw(*plan, values);
    for (size_t w = 0; w < wanted.size(); ++w) wanted[w] = std::min(wanted[w], base[w]);
    const auto missed = [&](const Break& row, int weeks) {
      const Outage stop{
          .stages = row.stages, .halls = row.stages.empty(), .week = 26, .weeks = weeks};
      return ShortMwMonths(wanted, OnlineMw(*plan, values, RunSupply(*plan, values, {&stop, 1})));
    };
    const std::vector<Break> rows = StageBreaks(*plan, values, {});
    REQUIRE(rows.size() == plan->stages.size() + 1);
    for (const Break& row : rows) {
      CAPTURE(name, row.name, row.slack_weeks);
      if (row.slack_weeks > 0) REQUIRE(missed(row, std::min(row.slack_weeks, plan->weeks)) == 0);
      if (row.slack_weeks < plan->weeks) REQUIRE(missed(row, row.slack_weeks + 1) > 0);
      REQUIRE(row.mw_months[1] == Approx(missed(row, 13)));
      REQUIRE(row.mw_months_of_one_more >= -1e-9);
      REQUIRE(row.mw_months_of_a_week_less >= -1e-9);
    }
    for (const PairBreak& pair : PairBreaks(*plan, values, {})) {
      REQUIRE(pair.mw_months[0] <= pair.mw_months[2]);
    }
  }
}

TEST_CASE("the shipped plans hold the laws") {
  for (const char* name : {"750mw", "750mw-supplier-slip", "2gw"}) {
    const auto plan = LoadPlan(name);
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    CheckConservation(*plan, plan->BaseValues(), Run(*plan));
    for (const Parameter& parameter : plan->parameters) {
      CAPTURE(parameter.name);
      if (parameter.stated) REQUIRE(!parameter.fact.source.empty());
    }
  }
}

}  // namespace
}  // namespace waferline::planner
