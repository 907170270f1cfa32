#include "client/cli/charts/charts.h"

#include <algorithm>
#include <cmath>

#include "client/cli/charts/axis.h"
#include "client/cli/charts/svg.h"

namespace waferline::cli {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 230;  // labels of bars
constexpr double kRight = 40;
constexpr double kTop = 70;     // title
constexpr double kBottom = 70;  // axis and its label
constexpr double kBar = 34;     // a horizontal bar and its gap

struct Span {
  double top, bottom;
};

void DrawBottomAxis(Svg& svg, const Axis& axis, Span span, const std::string& label) {
  const auto [top, bottom] = span;
  for (const Tick& tick : TicksOf(axis)) {
    const double x = axis.At(tick.value);
    svg.Line({x, top}, {x, bottom}, "#e4e4e4");
    svg.Text({x, bottom + 18}, tick.text, {.anchor = Anchor::kMiddle});
  }
  svg.Line({axis.begin, bottom}, {axis.end, bottom}, "#444");
  svg.Text({(axis.begin + axis.end) / 2, bottom + 44}, label, {.anchor = Anchor::kMiddle});
}

void DrawTitle(Svg& svg, const std::string& title) {
  svg.Text({24, 34}, title, {.size = 19, .bold = true});
}

}  // namespace

std::string DrawHistogram(const HistogramChart& chart) {
  constexpr double kHeight = 440, kPlotLeft = 80;
  Svg svg(kWidth, kHeight);
  DrawTitle(svg, chart.title);
  svg.Text({24, 56}, chart.subtitle, {.size = 14, .colour = "#555"});
  size_t first = 0, last = chart.counts.size();
  while (first < last && chart.counts[first] == 0) ++first;
  while (last > first && chart.counts[last - 1] == 0) --last;
  if (first == last) {
    svg.Text({kWidth / 2, kHeight / 2}, "no data", {.anchor = Anchor::kMiddle});
    return svg.Finish();
  }
  const double most =
      static_cast<double>(*std::max_element(chart.counts.begin(), chart.counts.end()));
  const double bottom = kHeight - kBottom;
  const Axis x{static_cast<double>(first) - 0.5, static_cast<double>(last) - 0.5, kPlotLeft,
               kWidth - kRight};
  const Axis y{0, most * 1.05, bottom, kTop};
  for (const Tick& tick : TicksOf(y)) {
    svg.Line({x.begin, y.At(tick.value)}, {x.end, y.At(tick.value)}, "#e4e4e4");
    svg.Text({x.begin - 8, y.At(tick.value) + 4}, tick.text, {.anchor = Anchor::kEnd});
  }
  DrawBottomAxis(svg, x, {bottom, bottom}, chart.x_label);
  for (size_t i = first; i < last; ++i) {
    const double count = static_cast<double>(chart.counts[i]);
    const double begin = x.At(static_cast<double>(i) - 0.42),
                 end = x.At(static_cast<double>(i) + 0.42);
    svg.Rectangle({begin, y.At(count), end - begin, bottom - y.At(count)}, SeriesColour(0),
                  std::to_string(i) + ": " + std::to_string(chart.counts[i]));
  }
  svg.Text({22, (kTop + bottom) / 2}, chart.y_label,
           {.anchor = Anchor::kMiddle, .turned_degrees = -90});
  return svg.Finish();
}

std::string DrawParts(const PartsChart& chart) {
  // The legend is as wide as the picture, in as many lines as it takes.
  const auto legend_width = [](const std::string& name) {
    return 34 + 7.8 * static_cast<double>(name.size());
  };
  std::vector<Point> places;
  Point place{24, kTop - 8};
  for (const std::string& name : chart.part_names) {
    if (place.x + legend_width(name) > kWidth - kRight) place = {24, place.y + 22};
    places.push_back(place);
    place.x += legend_width(name);
  }
  const double legend = 26 + place.y - (kTop - 8);
  const double bottom = kTop + legend + kBar * static_cast<double>(chart.bars.size()) + 8;
  Svg svg(kWidth, bottom + kBottom);
  DrawTitle(svg, chart.title);
  double most = 0;
  for (const PartsChart::Bar& bar : chart.bars) {
    double sum = 0;
    for (double part : bar.parts) sum += part;
    most = std::max(most, sum);
  }
  const Axis x{0, most > 0 ? most * 1.12 : 1, kLeft, kWidth - kRight};
  DrawBottomAxis(svg, x, {kTop + legend, bottom}, chart.x_label);
  for (size_t i = 0; i < chart.part_names.size(); ++i) {
    svg.Rectangle({places[i].x, places[i].y, 12, 12}, SeriesColour(i));
    svg.Text({places[i].x + 17, places[i].y + 11}, chart.part_names[i]);
  }
  for (size_t b = 0; b < chart.bars.size(); ++b) {
    const PartsChart::Bar& bar = chart.bars[b];
    const double y = kTop + legend + kBar * static_cast<double>(b) + 5;
    svg.Text({kLeft - 10, y + 17}, bar.label, {.anchor = Anchor::kEnd});
    double sum = 0;
    for (size_t i = 0; i < bar.parts.size(); ++i) {
      svg.Rectangle({x.At(sum), y, x.At(sum + bar.parts[i]) - x.At(sum), kBar - 10},
                    SeriesColour(i), chart.part_names[i] + ": " + ShortNumber(bar.parts[i]));
      sum += bar.parts[i];
    }
    svg.Text({x.At(sum) + 6, y + 17}, ShortNumber(sum), {.bold = true});
  }
  return svg.Finish();
}

std::string DrawTornado(TornadoChart chart) {
  const auto swing = [](const TornadoChart::Swing& s) { return std::abs(s.at_high - s.at_low); };
  std::stable_sort(chart.swings.begin(), chart.swings.end(),
                   [&](const auto& a, const auto& b) { return swing(a) > swing(b); });
  const double bottom = kTop + kBar * static_cast<double>(chart.swings.size()) + 8;
  Svg svg(kWidth, bottom + kBottom);
  DrawTitle(svg, chart.title);
  double low = chart.base, high = chart.base;
  for (const TornadoChart::Swing& s : chart.swings) {
    low = std::min({low, s.at_low, s.at_high});
    high = std::max({high, s.at_low, s.at_high});
  }
  const double margin = high > low ? (high - low) * 0.12 : std::max(1.0, std::abs(high) * 0.1);
  const Axis x{low - margin, high + margin, kLeft, kWidth - kRight};
  DrawBottomAxis(svg, x, {kTop, bottom}, chart.x_label);
  for (size_t i = 0; i < chart.swings.size(); ++i) {
    const TornadoChart::Swing& s = chart.swings[i];
    const double y = kTop + kBar * static_cast<double>(i) + 5;
    svg.Text({kLeft - 10, y + 17}, s.parameter, {.anchor = Anchor::kEnd});
    const auto draw = [&](double value, const std::string& label, std::string_view colour) {
      const double from = x.At(std::min(value, chart.base)), to = x.At(std::max(value, chart.base));
      svg.Rectangle({from, y, to - from, kBar - 10}, colour, label + ": " + ShortNumber(value));
      // Of an end that changes nothing the label is on the free side.
      const bool left =
          value < chart.base || (value == chart.base && std::max(s.at_low, s.at_high) > chart.base);
      svg.Text({left ? from - 5 : to + 5, y + 16}, label,
               {.size = 11, .anchor = left ? Anchor::kEnd : Anchor::kStart, .colour = "#555"});
    };
    draw(s.at_low, s.low_label, SeriesColour(4));
    draw(s.at_high, s.high_label, SeriesColour(1));
  }
  svg.Line({x.At(chart.base), kTop}, {x.At(chart.base), bottom}, "#222", 1.5);
  svg.Text({x.At(chart.base), kTop - 6}, ShortNumber(chart.base),
           {.anchor = Anchor::kMiddle, .bold = true});
  return svg.Finish();
}

}  // namespace waferline::cli
