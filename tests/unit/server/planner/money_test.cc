#include "server/planner/money.h"

#include <catch2/catch.hpp>

#include "plan_text.h"
#include "server/planner/plan_reader.h"

namespace waferline::planner {
namespace {

Plan Load(const std::string& name, const std::vector<std::string>& set = {}) {
  auto plan = LoadPlan(name);
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  for (const std::string& assignment : set) {
    const absl::Status status = ChangeParameter(assignment, false, &*plan);
    INFO(status.message());
    REQUIRE(status.ok());
  }
  return *std::move(plan);
}

// Every month's balance from the flows alone, and the identity, to the cent.
void CheckBalance(const Plan& plan, const MoneyRun& run) {
  MonthMoney sum{.cash = run.opening_cash};
  int64_t placed = 0, depreciated = 0;
  const int64_t opening_inventory = run.months[0].inventory - run.months[0].prepaid -
                                    run.months[0].paid_at_delivery +
                                    run.months[0].placed_in_service + run.months[0].written_off;
  REQUIRE(opening_inventory >= 0);
  for (const MonthMoney& m : run.months) {
    CAPTURE(plan.name, m.month.Text());
    REQUIRE(m.cash + m.receivables + m.inventory + m.property ==
            m.total_paid_in + m.warrants + m.retained);
    sum.cash += m.collected + m.paid_in - m.prepaid - m.paid_at_delivery - m.plant_capex -
                m.electricity - m.lease - m.staff;
    REQUIRE(m.cash == sum.cash);
    sum.retained += m.revenue() - m.costs();
    REQUIRE(m.retained == sum.retained);
    REQUIRE(m.contracted_hours <= m.system_hours);
    placed += m.placed_in_service + m.plant_capex;
    depreciated += m.depreciation;
    REQUIRE(m.property == placed - depreciated);
    REQUIRE(m.property >= 0);
    REQUIRE(m.inventory >= 0);
    REQUIRE(m.receivables >= 0);
  }
}

TEST_CASE("the balance sheet of the shipped plans closes each month to the cent") {
  for (const char* name : {"750mw", "750mw-supplier-slip", "2gw"}) {
    const Plan plan = Load(name);
    const Values values = plan.BaseValues();
    CheckBalance(plan, RunMoney(plan, values, RunSupply(plan, values)));
  }
}

TEST_CASE("what is placed in service is depreciated to nothing, and hours are the calendar's") {
  const Plan plan = Load("750mw", {"finance.life_years=1", "finance.hall_life_years=1"});
  const Values values = plan.BaseValues();
  const SupplyRun supply = RunSupply(plan, values);
  const MoneyRun run = RunMoney(plan, values, supply);
  // What went into service a year before the end is gone.
  const size_t last = run.months.size() - 1;
  int64_t placed = 0, depreciated = 0;
  for (size_t m = 0; m <= last; ++m) {
    depreciated += run.months[m].depreciation;
    if (m + 12 <= last) placed += run.months[m].placed_in_service + run.months[m].plant_capex;
  }
  REQUIRE(depreciated >= placed);
  int64_t hours = 0, weeks = 0;
  for (const MonthMoney& month : run.months) hours += month.system_hours;
  for (size_t w = 0; w + 1 < supply.online.size(); ++w) weeks += supply.online[w];
  REQUIRE(hours == weeks * 7 * 24);
}

TEST_CASE("a system-hour: 10.27 of depreciation, 1.87 of electricity, 3.81 of lease") {
  const Plan plan = Load(
      "750mw",
      {"serving.watts=23000", "serving.idle_share=1", "finance.staff_share=0",
       "halls.running.usd_per_mw_month=120833.333", "halls.alabama.usd_per_mw_month=120833.333",
       "halls.regina.usd_per_mw_month=120833.333", "halls.others.usd_per_mw_month=120833.333"});
  const SystemHour hour = CostOfSystemHour(plan, plan.BaseValues());
  REQUIRE(hour.depreciation == Approx(10.27).margin(0.005));
  REQUIRE(hour.electricity == Approx(1.87).margin(0.005));
  REQUIRE(hour.lease == Approx(3.81).margin(0.005));
  REQUIRE(hour.total() == Approx(15.95).margin(0.01));
  // At 17.50 $: 9 % if power and hall are the seller's, 31 % if they are passed through.
  REQUIRE(1 - hour.total() / 17.50 == Approx(0.09).margin(0.005));
  const double passed = 17.50 + hour.electricity + hour.lease;
  REQUIRE(1 - hour.total() / passed == Approx(0.31).margin(0.005));
}

TEST_CASE("42 $ a system-hour and 0.75 $ a million tokens break even at 15,556 tokens a second") {
  Plan plan =
      Load("750mw", {"serving.utilisation=1", "serving.gpt-oss-120b.tokens_per_second=15556"});
  const Values values = plan.BaseValues();
  const double usd = CostOfSystemHour(plan, values).total();
  REQUIRE(CostsOfModels(plan, values)[0].usd_per_million * 42 / usd == Approx(0.75).margin(1e-4));
}

TEST_CASE("tokens a second come from the prediction, with a range") {
  const Plan plan = Load("750mw");
  for (const ServedModel& model : plan.finance->models) {
    const Fact& speed = plan.parameters[model.tokens_per_second.index].fact;
    CAPTURE(model.name);
    REQUIRE(speed.mark == Mark::kDerived);
    REQUIRE(speed.source.find("predicted: " + model.name) == 0);
    REQUIRE(speed.low < speed.value);
    REQUIRE(speed.value < speed.high);
  }
}

TEST_CASE("passing costs through raises revenue and leaves cash need no larger") {
  const Plan own = Load("750mw", {"finance.pass_through_power=0", "finance.pass_through_lease=0"});
  const Plan passed = Load("750mw");
  const MoneyRun a = RunMoney(own, own.BaseValues(), RunSupply(own, own.BaseValues()));
  const MoneyRun b = RunMoney(passed, passed.BaseValues(), RunSupply(passed, passed.BaseValues()));
  int64_t more = 0;
  for (size_t m = 0; m < a.months.size(); ++m) {
    REQUIRE(a.months[m].passed_through == 0);
    REQUIRE(b.months[m].costs() == a.months[m].costs());
    more += b.months[m].passed_through;
  }
  REQUIRE(more > 0);
  REQUIRE(b.peak_cash_need <= a.peak_cash_need);
}

}  // namespace
}  // namespace waferline::planner
