// waferctl plan sweep: a plan's figures while some of its parameters go through their values.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/plan/plan_flags.h"
#include "server/planner/monte_carlo.h"
#include "server/planner/plan_reader.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr size_t kMaxPoints = 10'000;

struct SweepAxis {
  std::string parameter;
  std::vector<double> values;
};

struct SweepPoint {
  std::vector<double> at;  // by axis
  planner::Figures figures;
};

// "NAME=LOW:HIGH:N": N values from LOW to HIGH, evenly.
absl::StatusOr<SweepAxis> ParseAxis(const std::string& text) {
  const auto wrong = [&] {
    return UsageError(absl::StrCat("--axis: \"", text,
                                   "\" is not NAME=LOW:HIGH:N with LOW below HIGH and N from 2 to ",
                                   kMaxPoints));
  };
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return wrong();
  SweepAxis axis{.parameter = text.substr(0, equals)};
  const std::vector<std::string> parts = absl::StrSplit(text.substr(equals + 1), ':');
  double low = 0, high = 0;
  size_t count = 0;
  if (parts.size() != 3 || !absl::SimpleAtod(parts[0], &low) ||
      !absl::SimpleAtod(parts[1], &high) || !absl::SimpleAtoi(parts[2], &count) || !(low < high) ||
      count < 2 || count > kMaxPoints) {
    return wrong();
  }
  for (size_t i = 0; i < count; ++i) {
    axis.values.push_back(low +
                          (high - low) * static_cast<double>(i) / static_cast<double>(count - 1));
  }
  return axis;
}

absl::StatusOr<std::vector<SweepAxis>> ReadAxes(const Arguments& arguments) {
  std::vector<SweepAxis> axes;
  size_t points = 1;
  for (const std::string& text : arguments.Texts("axis")) {
    WL_ASSIGN_OR_RETURN(SweepAxis axis, ParseAxis(text));
    for (const SweepAxis& earlier : axes) {
      if (earlier.parameter == axis.parameter) {
        return UsageError(absl::StrCat("--axis: ", axis.parameter, " is given twice"));
      }
    }
    points *= axis.values.size();
    if (points > kMaxPoints) {
      return UsageError(absl::StrCat("--axis: more than ", kMaxPoints, " combinations"));
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

// Every combination; the last axis changes fastest.
absl::StatusOr<std::vector<SweepPoint>> SweepAll(const planner::Plan& plan,
                                                 const std::vector<SweepAxis>& axes) {
  std::vector<std::vector<double>> places(1);
  for (const SweepAxis& axis : axes) {
    std::vector<std::vector<double>> next;
    for (const std::vector<double>& place : places) {
      for (const double value : axis.values) {
        next.push_back(place);
        next.back().push_back(value);
      }
    }
    places = std::move(next);
  }
  std::vector<SweepPoint> points;
  for (std::vector<double>& place : places) {
    planner::Plan changed = plan;
    for (size_t a = 0; a < axes.size(); ++a) {
      const std::string assignment = fmt::format("{}={:.17g}", axes[a].parameter, place[a]);
      const absl::Status set = planner::ChangeParameter(assignment, false, &changed);
      if (!set.ok()) return UsageError(absl::StrCat("--axis: ", std::string(set.message())));
    }
    points.push_back({std::move(place), planner::FiguresOf(changed, changed.BaseValues())});
  }
  return points;
}

json::object SweepJson(const planner::Plan& plan, const std::vector<SweepAxis>& axes,
                       const std::vector<SweepPoint>& points) {
  json::array rows;
  for (const SweepPoint& point : points) {
    json::object at, figures;
    for (size_t a = 0; a < axes.size(); ++a) at[axes[a].parameter] = point.at[a];
    for (size_t f = 0; f < ShownFigures(plan); ++f) {
      figures[std::string(planner::Name(static_cast<planner::Figure>(f)))] = point.figures[f];
    }
    rows.push_back({{"at", std::move(at)}, {"figures", std::move(figures)}});
  }
  return {{"plan", plan.name}, {"points", std::move(rows)}};
}

void PrintSweep(const planner::Plan& plan, const std::vector<SweepAxis>& axes,
                const std::vector<SweepPoint>& points) {
  std::vector<std::string> names;
  for (const SweepAxis& axis : axes) names.push_back(axis.parameter);
  for (size_t f = 0; f < ShownFigures(plan); ++f) {
    names.emplace_back(planner::Name(static_cast<planner::Figure>(f)));
  }
  Table table(names, {Table::Align::kRight});
  for (const SweepPoint& point : points) {
    std::vector<std::string> cells;
    for (const double value : point.at) cells.push_back(fmt::format("{:.6g}", value));
    for (size_t f = 0; f < ShownFigures(plan); ++f) {
      cells.push_back(fmt::format("{:.5g}", point.figures[f]));
    }
    table.Add(std::move(cells));
  }
  table.Print();
}

absl::Status SweepPlan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const planner::Plan plan, ReadPlan(arguments));
  WL_ASSIGN_OR_RETURN(const std::vector<SweepAxis> axes, ReadAxes(arguments));
  WL_ASSIGN_OR_RETURN(const std::vector<SweepPoint> points, SweepAll(plan, axes));
  if (arguments.json()) {
    PrintText(JsonText(SweepJson(plan, axes, points)) + "\n");
  } else {
    PrintSweep(plan, axes, points);
  }
  return absl::OkStatus();
}

}  // namespace

Command PlanSweepCommand() {
  std::vector<Flag> flags = PlanFlags();
  flags.push_back(TextFlag("axis", "NAME=LOW:HIGH:N",
                           "a parameter and N values of it, evenly; of several all combinations")
                      .Repeatable()
                      .Required());
  return {.words = "plan sweep",
          .summary = "A plan's figures while parameters go through their values",
          .operands = {PlanOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl plan sweep 750mw --axis finance.other_cost_usd=200000:860000:12"},
          .run = SweepPlan};
}

}  // namespace waferline::cli
