// waferctl plan breaks: for how long each stage and supplier may stand still, and what more costs.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "client/cli/frame/output.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/plan/plan_flags.h"
#include "server/planner/breaks.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using planner::Break;
using planner::PairBreak;

constexpr size_t kMaxPairsShown = 12;

struct Breaks {
  planner::BreakOptions options;
  std::vector<Break> stages, suppliers;
  std::vector<PairBreak> pairs;  // with --pairs
};

json::array SlipsJson(const Breaks& breaks, const std::array<double, 3>& mw_months) {
  json::array out;
  for (size_t i = 0; i < mw_months.size(); ++i) {
    out.push_back({{"weeks", breaks.options.slips[i]}, {"mw_months", mw_months[i]}});
  }
  return out;
}

json::array RowsJson(const planner::Plan& plan, const Breaks& breaks,
                     const std::vector<Break>& rows) {
  json::array out;
  for (const Break& row : rows) {
    json::value slack = row.slack_weeks;
    if (row.slack_weeks >= plan.weeks) slack = nullptr;  // no stop of any length misses a week
    out.push_back({{"name", row.name},
                   {"slack_weeks", slack},
                   {"first_missed_week", row.first_missed_week},
                   {"slips", SlipsJson(breaks, row.mw_months)},
                   {"mw_months_of_one_more_a_week", row.mw_months_of_one_more},
                   {"mw_months_of_a_week_less", row.mw_months_of_a_week_less},
                   {"mark", row.guesses.empty() ? "" : "?"},
                   {"guesses", json::value_from(row.guesses)}});
  }
  return out;
}

json::object BreaksJson(const planner::Plan& plan, const Breaks& breaks) {
  json::object out{{"plan", plan.name},
                   {"title", plan.title},
                   {"stop_week", breaks.options.week},
                   {"stages", RowsJson(plan, breaks, breaks.stages)},
                   {"suppliers", RowsJson(plan, breaks, breaks.suppliers)}};
  if (breaks.pairs.empty()) return out;
  json::array pairs;
  for (const PairBreak& pair : breaks.pairs) {
    pairs.push_back({{"first", pair.first},
                     {"second", pair.second},
                     {"slips", SlipsJson(breaks, pair.mw_months)},
                     {"beyond_sum_mw_months", pair.beyond_sum}});
  }
  out["pairs"] = std::move(pairs);
  return out;
}

std::string SlackText(const planner::Plan& plan, int weeks) {
  return weeks >= plan.weeks ? "any" : fmt::format("{}", weeks);
}

// An answer that rests on a guess.
std::string Marked(const Break& row) { return row.guesses.empty() ? row.name : row.name + " ?"; }

// The same of a supplier as pairs name it, without what it supplies.
std::string Marked(const Breaks& breaks, const std::string& supplier) {
  for (const std::vector<Break>& rows : {breaks.suppliers, breaks.stages}) {
    for (const Break& row : rows) {
      const bool named = row.name == supplier || row.name.starts_with(supplier + " (");
      if (named) return row.guesses.empty() ? supplier : supplier + " ?";
    }
  }
  return supplier;
}

std::vector<std::string> SlipNames(const Breaks& breaks) {
  std::vector<std::string> names;
  for (const int weeks : breaks.options.slips) {
    names.push_back(fmt::format("{} weeks", weeks));
  }
  return names;
}

void PrintRows(const planner::Plan& plan, const Breaks& breaks, const char* what,
               const std::vector<Break>& rows) {
  std::vector<std::string> names = {what, "slack"};
  for (std::string& name : SlipNames(breaks)) names.push_back(std::move(name));
  for (const char* name : {"first missed", "+1 a week", "-1 week", "guesses"}) {
    names.emplace_back(name);
  }
  Table table(names);
  for (const Break& row : rows) {
    std::vector<std::string> cells = {Marked(row), SlackText(plan, row.slack_weeks)};
    for (const double mw_months : row.mw_months) cells.push_back(fmt::format("{:.0f}", mw_months));
    cells.push_back(row.first_missed_week < 0 ? "" : DateOf(plan, row.first_missed_week));
    const bool halls = row.stages.empty();  // they have no rate and no lead
    cells.push_back(halls ? "" : fmt::format("{:+.0f}", row.mw_months_of_one_more));
    cells.push_back(halls ? "" : fmt::format("{:+.0f}", row.mw_months_of_a_week_less));
    cells.push_back(fmt::format("{}", row.guesses.size()));
    table.Add(std::move(cells));
  }
  table.Print();
}

void PrintPairs(const Breaks& breaks) {
  std::vector<std::string> names = {"both at once", ""};
  for (std::string& name : SlipNames(breaks)) names.push_back(std::move(name));
  names.emplace_back("beyond the sum");
  Table table(names, {Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight});
  for (size_t i = 0; i < std::min(breaks.pairs.size(), kMaxPairsShown); ++i) {
    const PairBreak& pair = breaks.pairs[i];
    std::vector<std::string> cells = {Marked(breaks, pair.first), Marked(breaks, pair.second)};
    for (const double mw_months : pair.mw_months) {
      cells.push_back(fmt::format("{:.0f}", mw_months));
    }
    cells.push_back(fmt::format("{:+.0f}", pair.beyond_sum));
    table.Add(std::move(cells));
  }
  table.Print();
  if (breaks.pairs.size() > kMaxPairsShown) {
    Print("  the worst {} of {} pairs; --json has all\n", kMaxPairsShown, breaks.pairs.size());
  }
}

void PrintBreaks(const planner::Plan& plan, const Breaks& breaks) {
  Print("{}: {}\n", plan.name, plan.title);
  Print(
      "a stop that begins in week {} ({}): slack is the longest that misses nothing; then\n"
      "MW-months missed by stops of so many weeks, and gained by one unit more a week or a\n"
      "week less of lead time; what rests on guesses, parameters that are not public, has a ?\n",
      breaks.options.week, DateOf(plan, breaks.options.week));
  PrintRows(plan, breaks, "stage", breaks.stages);
  Print("\n");
  PrintRows(plan, breaks, "supplier", breaks.suppliers);
  if (!breaks.pairs.empty()) {
    Print("\n");
    PrintPairs(breaks);
  }
  const Break& first = breaks.stages.front();
  if (first.guesses.empty()) return;
  Print("\nthat {} breaks first rests on guesses: {}\n", first.name,
        fmt::join(first.guesses, ", "));
}

absl::Status BreakPlan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const planner::Plan plan, ReadPlan(arguments));
  Breaks breaks;
  breaks.options.week = static_cast<int>(arguments.Integer("week"));
  breaks.options.slips[1] = static_cast<int>(arguments.Integer("slip"));
  if (breaks.options.week >= plan.weeks) {
    return UsageError(fmt::format("--week: {} is out of range, the plan has {} weeks",
                                  breaks.options.week, plan.weeks));
  }
  const planner::Values values = plan.BaseValues();
  breaks.stages = planner::StageBreaks(plan, values, breaks.options);
  breaks.suppliers = planner::SupplierBreaks(plan, values, breaks.options);
  if (arguments.On("pairs")) breaks.pairs = planner::PairBreaks(plan, values, breaks.options);
  if (arguments.json()) {
    PrintText(JsonText(BreaksJson(plan, breaks)) + "\n");
  } else {
    PrintBreaks(plan, breaks);
  }
  return absl::OkStatus();
}

}  // namespace

Command PlanBreaksCommand() {
  std::vector<Flag> flags = PlanFlags();
  flags.push_back(Switch("pairs", "also every two suppliers at once"));
  flags.push_back(
      IntegerFlag("week", "N", "the week in which a stop begins", {0, planner::kMaxWeeks - 1})
          .Default(26));
  flags.push_back(IntegerFlag("slip", "WEEKS", "how long the middle one of three stops lasts",
                              {1, planner::kMaxWeeks})
                      .Default(13));
  return {.words = "plan breaks",
          .summary = "What breaks first: slack, and what stops of a supplier cost",
          .operands = {PlanOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl plan breaks 750mw --pairs"},
          .run = BreakPlan};
}

}  // namespace waferline::cli
