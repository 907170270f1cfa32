#include "server/planner/plan_reader.h"

#include <catch2/catch.hpp>

#include "plan_text.h"

namespace waferline::planner {
namespace {

std::string Fault(const std::string& text) {
  return std::string(ParsePlan("p.yaml", text).status().message());
}
bool Has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

TEST_CASE("stages are put in the order of the flow, whatever the file's") {
  const auto plan = ParsePlan(
      "p.yaml",
      PlanText({{"last", 1, 0, {{"middle", 1}}}, {"middle", 1, 0, {{"first", 2}}}, {"first", 1}}));
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  REQUIRE(plan->stages[0].name == "first");
  REQUIRE(plan->stages[2].name == "last");
  REQUIRE(plan->stages[2].needs[0].stage == 1);
}

TEST_CASE("faults of a plan are named with line and field") {
  const std::string circle =
      Fault(PlanText({{"a", 1, 0, {{"b", 1}}}, {"b", 1, 0, {{"c", 1}}}, {"c", 1, 0, {{"a", 1}}}}));
  REQUIRE(Has(circle, "stages form a circle: a needs b needs c needs a"));
  REQUIRE(Has(circle, "p.yaml:"));
  REQUIRE(Has(circle, "stages[0].needs"));
  REQUIRE(Has(Fault(PlanText({{"a", -1}})), "rate[0].per_week.value"));
  REQUIRE(Has(Fault(PlanText({{"a", 1}, {"b", 1}})), "none needs b"));
  REQUIRE(Has(Fault(PlanText({{"a"}, {"b", 1, 0, {{"a", 1}}}, {"c", 1, 0, {{"a", 1}, {"b", 1}}}})),
              "is needed by two stages"));
  REQUIRE(
      Has(Fault(PlanText({{"wafers"}, {"b", 1, 0, {{"wafres", 1}}}})), "did you mean 'wafers'?"));
  REQUIRE(Has(Fault(PlanText({{"a"}, {"a", 1, 0, {{"a", 1}}}})), "is given twice"));
  for (const bool first : {true, false}) {
    const StageText other{"other", 1, 0, {}, "into: a, "};
    const StageText last{"last", 1, 0, {{"a", 1}, {"other", 1}}};
    REQUIRE(Has(Fault(PlanText({{"a"}, first ? other : last, first ? last : other})),
                first ? "is needed by two stages" : "none needs it"));
  }
  REQUIRE(Has(Fault(PlanText({{"a", 1, 0, {}, "good_from: wse-9, "}})), "good_from"));
  REQUIRE(Has(Fault(PlanText({{"a", 1, 0, {}, "colour: red, "}})), "colour"));
  REQUIRE(Has(Fault("title: x\nextends: 750\n"), "750"));
  REQUIRE(Has(Fault("title: x\nextends: 750mw\nset:\n  - {parameter: stages.power.led_weeks, to: " +
                    Stated(3) + "}\n"),
              "did you mean 'stages.power.lead_weeks'?"));
}

TEST_CASE("a parameter is set by its name, and a wrong name is answered with the nearest") {
  auto plan = ParsePlan("p.yaml", PlanText({{"wafers", 10, 4}}));
  REQUIRE(plan.ok());
  REQUIRE(ChangeParameter("stages.wafers.lead_weeks=8", false, &*plan).ok());
  REQUIRE(plan->BaseValues()[plan->stages[0].lead_weeks.index] == 8);
  REQUIRE(Has(std::string(ChangeParameter("stages.wafers.lead_week=8", false, &*plan).message()),
              "did you mean 'stages.wafers.lead_weeks'?"));
  for (const char* wrong : {"stages.wafers.lead_weeks", "stages.wafers.lead_weeks=soon",
                            "stages.wafers.lead_weeks=nan"}) {
    REQUIRE(
        Has(std::string(ChangeParameter(wrong, false, &*plan).message()), "is not NAME=NUMBER"));
  }
}

TEST_CASE("a value outside what the parameter allows is refused, set, scaled or in a file") {
  auto plan = LoadPlan("750mw");
  REQUIRE(plan.ok());
  for (const char* wrong : {"stages.wafers.lead_weeks=-1", "stages.assembly.needs.power.units=0",
                            "finance.pue=0.5", "stages.power.good=1.1"}) {
    REQUIRE(Has(std::string(ChangeParameter(wrong, false, &*plan).message()), "must be from"));
  }
  REQUIRE(Has(std::string(ChangeParameter("finance.pue=0.1", true, &*plan).message()),
              "must be from 1 to 4"));
  REQUIRE(ChangeParameter("finance.usd_per_kwh=2", true, &*plan).ok());
  REQUIRE(plan->BaseValues()[plan->finance->usd_per_kwh.index] == Approx(0.13));
  REQUIRE(plan->parameters[plan->finance->usd_per_kwh.index].fact.high == Approx(0.18));
  REQUIRE(Has(Fault("title: x\nextends: 750mw\nset:\n  - {parameter: finance.pue, to: " +
                    Stated(7) + "}\n"),
              "finance.pue must be from 1 to 4"));
}

TEST_CASE("the share of good wafers comes from the silicon model") {
  const auto plan = LoadPlan("750mw");
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  for (const Parameter& parameter : plan->parameters) {
    if (parameter.name != "stages.wafers.good") continue;
    REQUIRE(parameter.fact.mark == Mark::kDerived);
    REQUIRE(parameter.fact.value > 0.9);
    REQUIRE(parameter.fact.low <= parameter.fact.value);
  }
}

}  // namespace
}  // namespace waferline::planner
