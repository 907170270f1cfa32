// waferctl plan run: megawatts online against what is contracted, what binds when, and the money.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <optional>

#include "client/cli/frame/output.h"
#include "client/cli/plan/money_output.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/plan/plan_flags.h"
#include "client/cli/plan/plan_page.h"
#include "server/planner/supply.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

struct Supply {
  planner::SupplyRun run;
  std::vector<double> online, promised;
  double short_mw_months = 0;
  int first_short = -1;
};

Supply RunSupplyOf(const planner::Plan& plan) {
  const planner::Values values = plan.BaseValues();
  Supply supply{.run = planner::RunSupply(plan, values),
                .promised = planner::PromisedMw(plan, values)};
  supply.online = planner::OnlineMw(plan, values, supply.run);
  supply.short_mw_months = planner::ShortMwMonths(supply.promised, supply.online);
  for (size_t w = 0; w < supply.online.size() && supply.first_short < 0; ++w) {
    if (supply.online[w] < supply.promised[w]) supply.first_short = static_cast<int>(w);
  }
  return supply;
}

json::object SupplyJson(const planner::Plan& plan, const Supply& supply) {
  json::array binding, stages;
  for (const BindingSpan& span : BindingSpans(supply.run)) {
    binding.push_back({{"stage", planner::NameOf(plan, span.binding.stage)},
                       {"reason", std::string(planner::Name(span.binding.reason))},
                       {"from_week", span.from_week},
                       {"to_week", span.to_week}});
  }
  for (size_t s = 0; s < plan.stages.size(); ++s) {
    const planner::StageWeek& end = supply.run.stages[s].back();
    stages.push_back({{"stage", plan.stages[s].name},
                      {"supplier", plan.stages[s].supplier},
                      {"started", end.started},
                      {"good", end.good},
                      {"scrap", end.scrap},
                      {"in_work", end.in_work},
                      {"taken", end.taken},
                      {"stock", end.stock}});
  }
  return {{"plan", plan.name},
          {"title", plan.title},
          {"start", DateOf(plan, 0)},
          {"weeks", plan.weeks},
          {"online_systems", json::value_from(supply.run.online)},
          {"online_mw", json::value_from(supply.online)},
          {"contracted_mw", json::value_from(supply.promised)},
          {"hall_mw", json::value_from(supply.run.hall_mw)},
          {"short_mw_months", supply.short_mw_months},
          {"first_short_week", supply.first_short},
          {"binding", std::move(binding)},
          {"stages", std::move(stages)},
          {"parameters", ParametersJson(plan)}};
}

// What the reader must know before any figure.
void PrintAssumed(const planner::Plan& plan) {
  int64_t stated = 0, guesses = 0;
  for (const planner::Parameter& parameter : plan.parameters) {
    stated += parameter.stated;
    guesses += parameter.stated && parameter.fact.mark == Mark::kUnknown;
  }
  Print("{}: {}\n", plan.name, plan.title);
  Print("{} of {} are guesses (mark ?); plan breaks says which answers rest on them\n", guesses,
        Counted(stated, "parameter"));
}

void PrintSupply(const planner::Plan& plan, const Supply& supply) {
  Table weeks({"", "week", "contracted, MW", "online, MW", "systems", "halls, MW"});
  for (int week = 25; week < plan.weeks; week += 26) {
    const auto w = static_cast<size_t>(week);
    weeks.Add({DateOf(plan, week + 1), fmt::format("{}", week + 1),
               fmt::format("{:.1f}", supply.promised[w]), fmt::format("{:.1f}", supply.online[w]),
               fmt::format("{}", supply.run.online[w]),
               fmt::format("{:.0f}", supply.run.hall_mw[w])});
  }
  weeks.Print();
  if (supply.first_short < 0) {
    Print("never short of what is contracted\n");
  } else {
    Print("short of what is contracted by {:.0f} MW-months, first in week {} ({})\n",
          supply.short_mw_months, supply.first_short, DateOf(plan, supply.first_short));
  }
  Table binding({"binds", "from", "to", "weeks"}, {Table::Align::kLeft, Table::Align::kLeft,
                                                   Table::Align::kLeft, Table::Align::kRight});
  for (const BindingSpan& span : BindingSpans(supply.run)) {
    binding.Add({BindingText(plan, span.binding), DateOf(plan, span.from_week),
                 DateOf(plan, span.to_week + 1),
                 fmt::format("{}", span.to_week - span.from_week + 1)});
  }
  binding.Print();
}

absl::Status RunPlan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const planner::Plan plan, ReadPlan(arguments));
  if (arguments.Has("html")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), PlanPage(StudyForPage(plan))));
  }
  const Supply supply = RunSupplyOf(plan);
  std::optional<planner::MoneyRun> money;
  if (plan.finance) money = planner::RunMoney(plan, plan.BaseValues(), supply.run);
  if (arguments.json()) {
    json::object document = SupplyJson(plan, supply);
    if (money) AddMoneyJson(plan, *money, &document);
    PrintText(JsonText(document) + "\n");
    return absl::OkStatus();
  }
  PrintAssumed(plan);
  PrintSupply(plan, supply);
  if (money) PrintMoney(plan, *money);
  return absl::OkStatus();
}

}  // namespace

Command PlanRunCommand() {
  std::vector<Flag> flags = PlanFlags();
  flags.push_back(OutputFlag("html", "also write a report with pictures"));
  return {.words = "plan run",
          .summary = "Megawatts online against what is contracted, and the money",
          .operands = {PlanOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl plan run 750mw", "waferctl plan run 750mw --html plan.html",
                       "waferctl plan run 750mw --set stages.second-foundry.enabled=1"},
          .run = RunPlan};
}

}  // namespace waferline::cli
