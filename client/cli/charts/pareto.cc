#include "client/cli/charts/pareto.h"

#include <algorithm>
#include <cmath>

#include "client/cli/charts/axis.h"
#include "client/cli/charts/svg.h"

namespace waferline::cli {
namespace {

constexpr double kWidth = 900;
constexpr Box kPlot{90, 60, 770, 420};
constexpr double kListTop = 560, kLine = 18;
constexpr size_t kMaxListed = 40;

// A little room around the points, and some even where all are equal.
Axis AxisOf(double least, double most, double begin, double end) {
  const double room = most > least ? (most - least) * 0.06 : std::max(1e-9, std::abs(most)) * 0.1;
  return {least - room, most + room, begin, end};
}

}  // namespace

void MarkFront(bool x_larger, bool y_larger, std::vector<ParetoPoint>* points) {
  const double sx = x_larger ? -1 : 1;
  const double sy = y_larger ? -1 : 1;
  for (ParetoPoint& p : *points) {
    p.best = std::none_of(points->begin(), points->end(), [&](const ParetoPoint& o) {
      const bool no_worse = sx * o.x <= sx * p.x && sy * o.y <= sy * p.y;
      return no_worse && (sx * o.x < sx * p.x || sy * o.y < sy * p.y);
    });
  }
}

std::string DrawPareto(ParetoChart chart) {
  const auto best = static_cast<size_t>(std::count_if(chart.points.begin(), chart.points.end(),
                                                      [](const ParetoPoint& p) { return p.best; }));
  const size_t listed = std::min(best, kMaxListed);
  Svg svg(kWidth, kListTop + kLine * static_cast<double>(listed));
  svg.Text({kWidth / 2, 30}, chart.title, {.size = 18, .anchor = Anchor::kMiddle, .bold = true});
  if (chart.points.empty()) return svg.Finish();
  std::sort(chart.points.begin(), chart.points.end(),
            [](const auto& a, const auto& b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  double low = chart.points[0].y, high = low;
  for (const ParetoPoint& p : chart.points) {
    low = std::min(low, p.y);
    high = std::max(high, p.y);
  }
  const double right = kPlot.x + kPlot.width, bottom = kPlot.y + kPlot.height;
  const Axis x = AxisOf(chart.points.front().x, chart.points.back().x, kPlot.x, right);
  const Axis y = AxisOf(low, high, bottom, kPlot.y);
  for (const Tick& tick : TicksOf(x)) {
    svg.Line({x.At(tick.value), kPlot.y}, {x.At(tick.value), bottom}, "#eee");
    svg.Text({x.At(tick.value), bottom + 20}, tick.text, {.anchor = Anchor::kMiddle});
  }
  for (const Tick& tick : TicksOf(y)) {
    svg.Line({kPlot.x, y.At(tick.value)}, {right, y.At(tick.value)}, "#eee");
    svg.Text({kPlot.x - 8, y.At(tick.value) + 4}, tick.text, {.anchor = Anchor::kEnd});
  }
  svg.Outline(kPlot, "#888", 1);
  svg.Text({kPlot.x + kPlot.width / 2, bottom + 46}, chart.x_label, {.anchor = Anchor::kMiddle});
  svg.Text({24, kPlot.y + kPlot.height / 2}, chart.y_label,
           {.anchor = Anchor::kMiddle, .turned_degrees = -90});
  std::vector<Point> front;
  for (const ParetoPoint& p : chart.points) {
    if (p.best) front.push_back({x.At(p.x), y.At(p.y)});
  }
  svg.Polyline(front, SeriesColour(0), 2);
  for (const ParetoPoint& p : chart.points) {
    if (!p.best) svg.Circle({x.At(p.x), y.At(p.y)}, 4, "#bbb", p.label);
  }
  // Those of the front are numbered and named below; the others by their tips.
  size_t number = 0;
  Point last{-kWidth, 0};  // number
  for (const ParetoPoint& p : chart.points) {
    if (!p.best) continue;
    const Point at{x.At(p.x), y.At(p.y)};
    svg.Circle(at, 6, SeriesColour(0), p.label);
    if (number == listed) continue;
    const std::string name = std::to_string(++number);
    Point place{at.x + 8, at.y - 8};
    const bool hidden = std::abs(place.x - last.x) < 60 && std::abs(place.y - last.y) < 13;
    if (hidden) place = {std::max(place.x, last.x + 18), last.y};
    last = place;
    svg.Text(place, name, {.size = 12, .bold = true});
    const double line = kListTop - 10 + kLine * static_cast<double>(number - 1);
    svg.Text({kPlot.x - 8, line}, name, {.size = 12, .anchor = Anchor::kEnd, .bold = true});
    svg.Text({kPlot.x, line}, p.label, {.size = 12});
  }
  return svg.Finish();
}

}  // namespace waferline::cli
