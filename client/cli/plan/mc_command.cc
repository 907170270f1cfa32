// waferctl plan mc: what becomes of a plan when its parameters are drawn from their ranges.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/plan/plan_flags.h"
#include "server/planner/monte_carlo.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using planner::Figure;
using planner::MonteCarlo;
using planner::Spread;
using planner::Swing;

constexpr size_t kSwingsShown = 12;

json::object SpreadJson(const Spread& spread) {
  return {{"p10", spread.p10}, {"p50", spread.p50}, {"p90", spread.p90}, {"mean", spread.mean}};
}

json::array SpreadsJson(const std::vector<Spread>& spreads) {
  json::array out;
  for (const Spread& spread : spreads) out.push_back(SpreadJson(spread));
  return out;
}

struct Study {
  planner::Figures base;
  MonteCarlo mc;
  Figure figure = Figure::kShort;  // of the tornado
  std::vector<Swing> swings;
  uint64_t seed = 0;
};

json::object StudyJson(const planner::Plan& plan, const Study& study) {
  json::object figures;
  for (size_t f = 0; f < ShownFigures(plan); ++f) {
    json::object figure = SpreadJson(study.mc.figures[f]);
    figure["base"] = study.base[f];
    figures[std::string(planner::Name(static_cast<Figure>(f)))] = std::move(figure);
  }
  json::array tornado;
  for (const Swing& swing : study.swings) {
    const planner::Parameter& parameter = plan.parameters[swing.parameter];
    tornado.push_back({{"parameter", parameter.name},
                       {"low", parameter.fact.low},
                       {"high", parameter.fact.high},
                       {"mark", std::string(1, static_cast<char>(parameter.fact.mark))},
                       {"at_low", swing.at_low},
                       {"at_high", swing.at_high}});
  }
  return {{"plan", plan.name},
          {"runs", study.mc.runs},
          {"seed", study.seed},
          {"kept_share", study.mc.kept_share},
          {"figures", std::move(figures)},
          {"online_mw", SpreadsJson(study.mc.online_mw)},
          {"cash_usd", SpreadsJson(study.mc.cash_usd)},
          {"tornado_of", std::string(planner::Name(study.figure))},
          {"tornado", std::move(tornado)}};
}

std::string Amount(double value) {
  return std::abs(value) >= 1e6 ? fmt::format("{:.1f} M", value * 1e-6)
                                : fmt::format("{:.4g}", value);
}

void PrintStudy(const planner::Plan& plan, const Study& study) {
  Print("{}: {}; {} runs, seed {}\n", plan.name, plan.title, study.mc.runs, study.seed);
  Print("all that is promised is online when it is due in {:.1f} % of the runs\n",
        100 * study.mc.kept_share);
  Table figures({"", "unit", "base", "P10", "P50", "P90"},
                {Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight});
  for (size_t f = 0; f < ShownFigures(plan); ++f) {
    const auto figure = static_cast<Figure>(f);
    const Spread& spread = study.mc.figures[f];
    figures.Add({std::string(planner::Name(figure)), std::string(planner::Unit(figure)),
                 Amount(study.base[f]), Amount(spread.p10), Amount(spread.p50),
                 Amount(spread.p90)});
  }
  figures.Print();
  Print("\n{}, {}, with one parameter at the ends of its range:\n", planner::Name(study.figure),
        planner::Unit(study.figure));
  Table tornado({"parameter", "mark", "low", "high", "at low", "at high"},
                {Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight});
  for (size_t i = 0; i < std::min(kSwingsShown, study.swings.size()); ++i) {
    const Swing& swing = study.swings[i];
    const planner::Parameter& parameter = plan.parameters[swing.parameter];
    tornado.Add({parameter.name, std::string(1, static_cast<char>(parameter.fact.mark)),
                 Amount(parameter.fact.low), Amount(parameter.fact.high), Amount(swing.at_low),
                 Amount(swing.at_high)});
  }
  tornado.Print();
}

absl::StatusOr<Figure> ReadFigure(const Arguments& arguments, const planner::Plan& plan) {
  const std::vector<std::string_view> names = planner::FigureNames();
  for (size_t f = 0; f < names.size(); ++f) {
    if (names[f] != arguments.Text("figure")) continue;
    if (f < ShownFigures(plan)) return static_cast<Figure>(f);
    return UsageError("--figure: the plan has no finance");
  }
  return UsageError("--figure: unknown");  // the flag has these choices only
}

absl::Status StudyPlan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const planner::Plan plan, ReadPlan(arguments));
  Study study{.base = planner::FiguresOf(plan, plan.BaseValues()),
              .seed = static_cast<uint64_t>(arguments.Integer("seed"))};
  WL_ASSIGN_OR_RETURN(study.figure, ReadFigure(arguments, plan));
  const auto runs = static_cast<int>(arguments.Integer("runs"));
  {
    Progress progress("runs", runs);
    study.mc =
        planner::RunMonteCarlo(plan, runs, study.seed, [&](int done) { progress.Show(done); });
  }
  study.swings = planner::Tornado(plan, study.figure);
  if (arguments.json()) {
    PrintText(JsonText(StudyJson(plan, study)) + "\n");
  } else {
    PrintStudy(plan, study);
  }
  return absl::OkStatus();
}

}  // namespace

Command PlanMcCommand() {
  std::vector<Flag> flags = PlanFlags();
  std::vector<std::string> figures;
  for (const std::string_view name : planner::FigureNames()) figures.emplace_back(name);
  flags.push_back(IntegerFlag("runs", "N", "how many runs", {1, 100'000}).Default(1000));
  flags.push_back(IntegerFlag("seed", "N", "seed of the draws", {}).Default(1));
  flags.push_back(
      ChoiceFlag("figure", "NAME", "what the tornado shows", figures).Default("short_mw_months"));
  return {.words = "plan mc",
          .summary = "A plan with its parameters drawn from their ranges",
          .operands = {PlanOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl plan mc 750mw --runs 10000 --figure peak_cash_need_usd"},
          .run = StudyPlan};
}

}  // namespace waferline::cli
