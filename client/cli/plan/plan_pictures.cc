// The pictures of a plan's page.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/line_chart.h"
#include "client/cli/plan/plan_flags.h"
#include "client/cli/plan/plan_page.h"

namespace waferline::cli {
namespace {

using planner::Spread;

constexpr size_t kMaxSwings = 14;

size_t ColourOf(size_t stage) { return stage % 8; }

// `pick` of each spread, at the end of each week.
template <typename Pick>
std::vector<Point> Line(const planner::Plan& plan, const std::vector<Spread>& spreads, Pick pick) {
  std::vector<Point> points;
  for (size_t w = 0; w < spreads.size(); ++w) {
    points.push_back({YearOf(plan, static_cast<double>(w) + 1), pick(spreads[w])});
  }
  return points;
}

std::vector<Point> WeekLine(const planner::Plan& plan, const std::vector<double>& values) {
  std::vector<Point> points;
  for (size_t w = 0; w < values.size(); ++w) {
    points.push_back({YearOf(plan, static_cast<double>(w) + 1), values[w]});
  }
  return points;
}

}  // namespace

std::string DrawOnline(const PlanStudy& study) {
  const planner::Plan& plan = study.plan;
  const planner::Values values = plan.BaseValues();
  LineChart chart{.title = "Megawatts online against what is contracted", .y_label = "MW"};
  chart.bands.push_back({"online, P10 to P90",
                         Line(plan, study.mc.online_mw, [](const Spread& s) { return s.p10; }),
                         Line(plan, study.mc.online_mw, [](const Spread& s) { return s.p90; })});
  chart.series.push_back({"online", WeekLine(plan, planner::OnlineMw(plan, values, study.supply))});
  chart.series.push_back({"contracted", WeekLine(plan, planner::PromisedMw(plan, values))});
  chart.series.push_back({"halls ready", WeekLine(plan, study.supply.hall_mw)});
  SpanRow row{.name = "binds"};
  for (const BindingSpan& span : BindingSpans(study.supply)) {
    row.spans.push_back({YearOf(plan, span.from_week), YearOf(plan, span.to_week + 1),
                         BindingText(plan, span.binding), ColourOf(span.binding.stage)});
  }
  chart.rows.push_back(std::move(row));
  return DrawLines(chart);
}

std::string DrawStages(const PlanStudy& study) {
  const planner::Plan& plan = study.plan;
  const planner::Values values = plan.BaseValues();
  SpanChart chart{.title = "The first system, and each hall: from start to ready",
                  .x_label = "",
                  .years = true};
  for (size_t s = 0; s < plan.stages.size(); ++s) {
    const auto& weeks = study.supply.stages[s];
    const auto first = std::find_if(weeks.begin(), weeks.end(),
                                    [](const planner::StageWeek& w) { return w.started > 0; });
    if (first == weeks.end()) continue;
    const auto start = static_cast<double>(first - weeks.begin());
    const double lead = values[plan.stages[s].lead_weeks.index];
    chart.rows.push_back({plan.stages[s].name,
                          {{YearOf(plan, start), YearOf(plan, start + lead + 1),
                            fmt::format("{:.0f} weeks", lead), ColourOf(s)}}});
  }
  for (const planner::Hall& hall : plan.halls) {
    SpanRow row{.name = "hall " + hall.name};
    const std::vector<double> mw = planner::HallMw(plan, hall, values);
    for (size_t w = 0; w < mw.size(); ++w) {
      const double before = w == 0 ? 0 : mw[w - 1];
      if (w == 0 || mw[w] <= before) continue;
      const double from = row.spans.empty() ? 0 : row.spans.back().to;
      row.spans.push_back({row.spans.empty() ? YearOf(plan, 0) : from,
                           YearOf(plan, static_cast<double>(w)), fmt::format("to {:.0f} MW", mw[w]),
                           row.spans.size() % 2 == 0 ? 4u : 1u});
    }
    if (!row.spans.empty()) chart.rows.push_back(std::move(row));
  }
  return DrawSpans(chart);
}

std::string DrawCash(const PlanStudy& study) {
  LineChart chart{.title = "Cash at each month's end", .y_label = "billion $"};
  const int64_t start = study.plan.start_us;
  const auto at = [&](size_t m) {
    const double days = static_cast<double>(study.money.months[m].month.end_us() - start) /
                        static_cast<double>(kMicrosecondsPerDay);
    return YearOf(study.plan, days / 7);
  };
  LineChart::Band band{.name = "P10 to P90"};
  LineChart::Series base{.name = "the plan"}, median{.name = "P50"};
  for (size_t m = 0; m < study.money.months.size(); ++m) {
    const Spread& spread = study.mc.cash_usd[m];
    band.low.push_back({at(m), spread.p10 * 1e-9});
    band.high.push_back({at(m), spread.p90 * 1e-9});
    median.points.push_back({at(m), spread.p50 * 1e-9});
    base.points.push_back({at(m), static_cast<double>(study.money.months[m].cash) * 1e-11});
  }
  chart.bands.push_back(std::move(band));
  chart.series = {std::move(base), std::move(median)};
  return DrawLines(chart);
}

std::string FigureText(planner::Figure figure) {
  switch (figure) {
    case planner::Figure::kShort:
      return "the shortfall";
    case planner::Figure::kSystemHour:
      return "the cost of a system-hour";
    case planner::Figure::kPeakCashNeed:
      return "the peak cash need";
    default:
      return std::string(planner::Name(figure));
  }
}

std::string DrawSwings(const planner::Plan& plan, planner::Figure figure) {
  const double base = planner::FiguresOf(plan, plan.BaseValues())[static_cast<size_t>(figure)];
  const bool large = std::abs(base) >= 1e6;
  const double scale = large ? 1e-6 : 1;
  TornadoChart chart{
      .title = "What " + FigureText(figure) + " depends on",
      .x_label = std::string(large ? "million " : "") + std::string(planner::Unit(figure)),
      .base = base * scale};
  for (const planner::Swing& swing : planner::Tornado(plan, figure)) {
    if (chart.swings.size() == kMaxSwings) break;
    if (swing.at_low == swing.at_high) break;
    const planner::Parameter& parameter = plan.parameters[swing.parameter];
    // Without its section: "power.lead_weeks".
    const size_t dot = parameter.name.find('.');
    chart.swings.push_back({parameter.name.substr(dot == std::string::npos ? 0 : dot + 1),
                            ShortNumber(parameter.fact.low), ShortNumber(parameter.fact.high),
                            swing.at_low * scale, swing.at_high * scale});
  }
  return DrawTornado(std::move(chart));
}

}  // namespace waferline::cli
