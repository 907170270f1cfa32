#include "client/cli/pareto.h"

#include <algorithm>
#include <cmath>

#include "client/cli/svg.h"

namespace waferline::cli {
namespace {

constexpr double kWidth = 900, kHeight = 560;
constexpr Box kPlot{90, 60, 770, 420};

// A little room around the points, and some even where all are equal.
struct Axis {
  double low = 0, high = 1;
  double At(double value) const { return (value - low) / (high - low); }
};
Axis AxisOf(double least, double most) {
  const double room = most > least ? (most - least) * 0.06 : std::max(1e-9, std::abs(most)) * 0.1;
  return {least - room, most + room};
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
  Svg svg(kWidth, kHeight);
  svg.Text({kWidth / 2, 30}, chart.title, {.size = 18, .anchor = Anchor::kMiddle, .bold = true});
  if (chart.points.empty()) return svg.Finish();
  std::sort(chart.points.begin(), chart.points.end(),
            [](const auto& a, const auto& b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  double low = chart.points[0].y, high = low;
  for (const ParetoPoint& p : chart.points) {
    low = std::min(low, p.y);
    high = std::max(high, p.y);
  }
  const Axis x = AxisOf(chart.points.front().x, chart.points.back().x);
  const Axis y = AxisOf(low, high);
  const auto at = [&](double px, double py) {
    return Point{kPlot.x + kPlot.width * x.At(px), kPlot.y + kPlot.height * (1 - y.At(py))};
  };
  svg.Outline(kPlot, "#888", 1);
  for (int i = 0; i <= 5; ++i) {
    const double vx = x.low + (x.high - x.low) * i / 5;
    const double vy = y.low + (y.high - y.low) * i / 5;
    svg.Text({at(vx, y.low).x, kPlot.y + kPlot.height + 20}, ShortNumber(vx),
             {.anchor = Anchor::kMiddle});
    svg.Text({kPlot.x - 8, at(x.low, vy).y + 4}, ShortNumber(vy), {.anchor = Anchor::kEnd});
    if (i > 0 && i < 5) {
      svg.Line({kPlot.x, at(x.low, vy).y}, {kPlot.x + kPlot.width, at(x.low, vy).y}, "#eee");
    }
  }
  svg.Text({kPlot.x + kPlot.width / 2, kHeight - 20}, chart.x_label, {.anchor = Anchor::kMiddle});
  svg.Text({24, kPlot.y + kPlot.height / 2}, chart.y_label,
           {.anchor = Anchor::kMiddle, .turned_degrees = -90});
  std::vector<Point> front;
  for (const ParetoPoint& p : chart.points) {
    if (p.best) front.push_back(at(p.x, p.y));
  }
  svg.Polyline(front, SeriesColour(0), 2);
  for (const ParetoPoint& p : chart.points) {
    svg.Circle(at(p.x, p.y), p.best ? 6 : 4, p.best ? SeriesColour(0) : "#bbb", p.label);
  }
  return svg.Finish();
}

}  // namespace waferline::cli
