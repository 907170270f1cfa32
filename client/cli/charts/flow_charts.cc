#include "client/cli/charts/flow_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/cli/charts/axis.h"
#include "client/cli/charts/svg.h"

namespace waferline::cli {
namespace {

constexpr double kWidth = 960;
constexpr double kTop = 64;                  // title
constexpr double kBottom = 70;               // axis and its label
constexpr double kNode = 18;                 // width of a flow's ends
constexpr double kScale = 300;               // pixels of the whole amount
constexpr double kGap = 16;                  // between the ends of flows
constexpr double kLeft = 250, kRight = 620;  // of the flows
constexpr double kBar = 34;
constexpr double kWaterfallRight = 80;

// From one height to another, bent like an S.
struct Band {
  Point from, to;  // its upper edge
  double height = 0;
};

void DrawBand(Svg& svg, const Band& band, std::string_view colour) {
  constexpr int kSteps = 24;
  std::vector<Point> upper, lower;
  for (int i = 0; i <= kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const double bend = t * t * (3 - 2 * t);
    const double x = band.from.x + (band.to.x - band.from.x) * t;
    const double y = band.from.y + (band.to.y - band.from.y) * bend;
    upper.push_back({x, y});
    lower.push_back({x, y + band.height});
  }
  upper.insert(upper.end(), lower.rbegin(), lower.rend());
  svg.Polygon(upper, colour);
}

// Two digits after the point, of amounts that people count so.
std::string AmountText(double amount) {
  return amount < 1000 ? fmt::format("{:.2f}", amount) : ShortNumber(amount);
}

void DrawTitle(Svg& svg, const std::string& title) {
  svg.Text({24, 34}, title, {.size = 19, .bold = true});
}

}  // namespace

std::string DrawSankey(const SankeyChart& chart) {
  double sum = 0, shown = 0;
  for (const SankeyChart::Flow& flow : chart.flows) {
    sum += flow.amount;
    shown += flow.amount > 0 ? 1 : 0;
  }
  const double height = kTop + kScale + kGap * std::max(0.0, shown - 1) + 30;
  Svg svg(kWidth, height);
  DrawTitle(svg, chart.title);
  if (!(sum > 0)) {
    svg.Text({kWidth / 2, height / 2}, "no data", {.anchor = Anchor::kMiddle});
    return svg.Finish();
  }
  const double source_top = kTop + kGap * (shown - 1) / 2;
  svg.Rectangle({kLeft - kNode, source_top, kNode, kScale}, "#444");
  svg.Text({kLeft - kNode - 10, source_top + kScale / 2 + 4},
           chart.source + ": " + AmountText(sum) + " " + chart.unit,
           {.anchor = Anchor::kEnd, .bold = true});
  double from = source_top, to = kTop;
  for (size_t i = 0; i < chart.flows.size(); ++i) {
    const SankeyChart::Flow& flow = chart.flows[i];
    if (!(flow.amount > 0)) continue;
    const double band = flow.amount / sum * kScale;
    const std::string label =
        fmt::format("{}: {} {} ({:.1f} %)", flow.name, AmountText(flow.amount), chart.unit,
                    100 * flow.amount / sum);
    DrawBand(svg, {{kLeft, from}, {kRight, to}, band}, SeriesColour(i));
    svg.Rectangle({kRight, to, kNode, band}, SeriesColour(i), label);
    svg.Text({kRight + kNode + 10, to + band / 2 + 4}, label);
    from += band;
    to += band + kGap;
  }
  return svg.Finish();
}

std::string DrawWaterfall(const WaterfallChart& chart) {
  double sum = 0, least = 0, most = 0;
  for (const WaterfallChart::Step& step : chart.steps) {
    if (!step.total) sum += step.amount;
    least = std::min(least, sum);
    most = std::max(most, sum);
  }
  const double bottom = kTop + kBar * static_cast<double>(chart.steps.size()) + 8;
  Svg svg(kWidth, bottom + kBottom);
  DrawTitle(svg, chart.title);
  const double room = std::max(most - least, 1e-9) * 0.06;
  const Axis x{least < 0 ? least - room : 0, most + room, kLeft, kWidth - kWaterfallRight};
  for (const Tick& tick : TicksOf(x)) {
    svg.Line({x.At(tick.value), kTop}, {x.At(tick.value), bottom}, "#e4e4e4");
    svg.Text({x.At(tick.value), bottom + 18}, tick.text, {.anchor = Anchor::kMiddle});
  }
  svg.Line({x.begin, bottom}, {x.end, bottom}, "#444");
  svg.Text({(x.begin + x.end) / 2, bottom + 44}, chart.x_label, {.anchor = Anchor::kMiddle});
  sum = 0;
  for (size_t i = 0; i < chart.steps.size(); ++i) {
    const WaterfallChart::Step& step = chart.steps[i];
    const double y = kTop + kBar * static_cast<double>(i) + 5;
    const double before = step.total ? 0 : sum;
    if (!step.total) sum += step.amount;
    const double left = std::min(x.At(before), x.At(sum)),
                 right = std::max(x.At(before), x.At(sum));
    const size_t colour = step.total ? 0 : step.amount < 0 ? 1 : 2;
    svg.Text({kLeft - 10, y + 17}, step.name, {.anchor = Anchor::kEnd, .bold = step.total});
    svg.Rectangle({left, y, std::max(1.0, right - left), kBar - 10}, SeriesColour(colour));
    svg.Text({right + 6, y + 17}, ShortNumber(step.total ? sum : step.amount),
             {.bold = step.total});
  }
  return svg.Finish();
}

}  // namespace waferline::cli
