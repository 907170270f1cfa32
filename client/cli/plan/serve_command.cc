// waferctl plan serve: whether the planned fleet, scaled down, holds an SLO while it is built.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/plan/plan_flags.h"
#include "client/cli/plan/planned_fleet.h"
#include "client/cli/sim/sim_run.h"
#include "scheduler/search/trial.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

// A week with what its fleet did; no trial: there was no pipeline, or no load.
struct ServedWeek {
  PlannedFleet fleet;
  std::optional<search::Trial> trial;

  bool holds() const { return fleet.load == 0 || (trial && trial->holds); }
};

// "1:1000" is 0.001.
absl::StatusOr<double> ParseRatio(const std::string& text) {
  double of = 0;
  if (!text.starts_with("1:") || !absl::SimpleAtod(text.substr(2), &of) || !(of >= 1) ||
      !(of <= 1e9)) {
    return UsageError(absl::StrCat("--scale: \"", text, "\" is not 1:N with N from 1 to 1e9"));
  }
  return 1 / of;
}

absl::StatusOr<std::vector<ServedWeek>> ServeWeeks(const std::vector<PlannedFleet>& fleets,
                                                   const search::TrialInput& base) {
  std::vector<ServedWeek> weeks;
  std::map<std::pair<int64_t, double>, search::Trial> known;  // by units and load
  Progress progress("weeks", static_cast<int64_t>(fleets.size()));
  for (const PlannedFleet& fleet : fleets) {
    ServedWeek week{.fleet = fleet};
    if (fleet.units > 0 && fleet.load > 0) {
      const auto key = std::pair(fleet.units, fleet.load);
      if (!known.contains(key)) {
        search::TrialInput trial = base;
        trial.run.settings.speed_up *= fleet.load;
        WL_ASSIGN_OR_RETURN(trial.run.config, WithOverrides(base.run.config, fleet.overrides));
        WL_ASSIGN_OR_RETURN(known[key], search::RunTrial(trial, WallSeconds));
      }
      week.trial = known[key];
    }
    weeks.push_back(std::move(week));
    progress.Show(static_cast<int64_t>(weeks.size()), fmt::format("week {}", fleet.week));
  }
  return weeks;
}

json::array WeeksJson(const planner::Plan& plan, const std::vector<ServedWeek>& weeks) {
  json::array rows;
  for (const ServedWeek& week : weeks) {
    json::object row{{"week", week.fleet.week},
                     {"date", DateOf(plan, week.fleet.week)},
                     {"contracted_mw", week.fleet.promised_mw},
                     {"online_mw", week.fleet.online_mw},
                     {"online_systems", week.fleet.systems},
                     {"units", week.fleet.units},
                     {"load", week.fleet.load},
                     {"holds", week.holds()}};
    if (week.trial) row["run"] = search::ToJson(*week.trial);
    rows.push_back(std::move(row));
  }
  return rows;
}

void PrintWeeks(const planner::Plan& plan, const search::Slo& slo,
                const std::vector<ServedWeek>& weeks) {
  std::vector<std::string> names = {"", "week", "contracted, MW", "online, MW", "units", "load"};
  for (const search::SloTerm& term : slo) names.push_back(term.text + ", ms");
  names.insert(names.end(), {"late", "holds", "fullest"});
  Table table(names);
  for (const ServedWeek& week : weeks) {
    std::vector<std::string> cells = {DateOf(plan, week.fleet.week),
                                      fmt::format("{}", week.fleet.week),
                                      fmt::format("{:.1f}", week.fleet.promised_mw),
                                      fmt::format("{:.1f}", week.fleet.online_mw),
                                      fmt::format("{}", week.fleet.units),
                                      fmt::format("{:.0f} %", 100 * week.fleet.load)};
    uint64_t late = 0;
    for (size_t t = 0; t < slo.size(); ++t) {
      cells.push_back(week.trial ? fmt::format("{:.1f}", week.trial->terms[t].figure_ms) : "");
      if (week.trial) late = std::max(late, week.trial->terms[t].late);
    }
    const bool loaded = week.fleet.load > 0;
    cells.push_back(week.trial ? fmt::format("{} of {}", late, week.trial->offered) : "");
    cells.push_back(!loaded ? "no load" : week.holds() ? "yes" : week.trial ? "no" : "no unit");
    cells.push_back(week.trial && !week.trial->devices.empty()
                        ? fmt::format("{} {} {:.0f} %", week.trial->devices.front().device,
                                      week.trial->devices.front().resource,
                                      100 * week.trial->devices.front().share)
                        : "");
    table.Add(std::move(cells));
  }
  table.Print();
}

absl::Status ServePlan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const planner::Plan plan, ReadPlanSet(arguments));
  WL_ASSIGN_OR_RETURN(const double ratio, ParseRatio(arguments.Text("scale")));
  auto slo = search::ParseSlo(arguments.Text("slo"));
  if (!slo.ok()) return UsageError(absl::StrCat("--slo: ", std::string(slo.status().message())));
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimInput> read, ReadSimRun(arguments));
  WL_ASSIGN_OR_RETURN(const fleet::FleetConfig file,
                      fleet::ParseFleetConfig(read->input.config_name, read->input.config));
  const FleetScale scale{.file = file, .ratio = ratio};
  if (const absl::Status fits = CheckScale(scale); !fits.ok()) {
    return UsageError(absl::StrCat(read->input.config_name, ": ", std::string(fits.message())));
  }
  const std::vector<PlannedFleet> fleets =
      PlannedFleets(plan, scale, static_cast<int>(arguments.Integer("every")));
  WL_ASSIGN_OR_RETURN(const std::vector<ServedWeek> weeks,
                      ServeWeeks(fleets, {.run = read->input, .slo = &*slo, .to_the_end = true}));
  const auto held = std::count_if(weeks.begin(), weeks.end(),
                                  [](const ServedWeek& week) { return week.holds(); });
  if (arguments.json()) {
    PrintText(JsonText(json::object{{"plan", plan.name},
                                    {"config", read->input.config_name},
                                    {"scale", arguments.Text("scale")},
                                    {"slo", arguments.Text("slo")},
                                    {"weeks_held", held},
                                    {"weeks", WeeksJson(plan, weeks)}}) +
              "\n");
    return absl::OkStatus();
  }
  Print("{}: {}; the trace is the load of all that is ever contracted\n", plan.name, plan.title);
  PrintWeeks(plan, *slo, weeks);
  Print("the SLO holds in {} of {}\n", held, Counted(static_cast<int64_t>(weeks.size()), "week"));
  return absl::OkStatus();
}

}  // namespace

Command PlanServeCommand() {
  std::vector<Flag> flags = SimFlags();
  flags.push_back(
      TextFlag("set", "NAME=VALUE", "a parameter of the plan, as plan run has it").Repeatable());
  flags.push_back(
      TextFlag("scale", "1:N", "simulate one system for N of the plan").Default("1:1000"));
  flags.push_back(TextFlag("slo", "TERMS", "what must hold, as ttft:p99<8s,tpot:p99<20ms")
                      .Default("ttft:p99<8s,tpot:p99<20ms"));
  flags.push_back(IntegerFlag("every", "WEEKS", "how far apart the weeks are that are simulated",
                              {1, planner::kMaxWeeks})
                      .Default(26));
  return {.words = "plan serve",
          .summary = "Whether a planned fleet, scaled down, serves a trace while it is built",
          .operands = {PlanOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl plan serve 750mw --config "
                       "deploy/config/fleets/conversation-70b.yaml --scale 1:1000 --arrivals "
                       "poisson:rate=20 --count 2000"},
          .run = ServePlan};
}

}  // namespace waferline::cli
