#include "client/cli/charts/line_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "client/cli/charts/axis.h"

namespace waferline::cli {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 110;
constexpr double kRight = 36;
constexpr double kPlotTop = 96;  // below title and legend
constexpr double kPlotHeight = 300;
constexpr double kRow = 26;
constexpr double kCharacter = 6.6;  // of 12 px text, about

struct Extent {
  double low = std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::lowest();
  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  Axis On(double begin, double end, double margin) const {
    const double width = high > low ? high - low : std::max(1.0, std::abs(high));
    const double room = high > low ? width * margin : width / 2;
    return {low - (low == 0 ? 0 : room), high + room, begin, end};
  }
};

// "2027", and "Jul 2026" of 2026.5.
std::string YearText(double year) {
  constexpr std::array<const char*, 12> kMonths = {"",    "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto months = static_cast<int64_t>(std::llround(year * 12));
  const std::string month = kMonths[static_cast<size_t>(months % 12)];
  return month + (month.empty() ? "" : " ") + std::to_string(months / 12);
}

struct BottomText {
  const std::string& label;
  bool years = false;
};

void DrawBottom(Svg& svg, const Axis& x, Box plot, const BottomText& text) {
  const double bottom = plot.y + plot.height;
  for (const Tick& tick : TicksOf(x)) {
    svg.Line({x.At(tick.value), plot.y}, {x.At(tick.value), bottom}, "#e9e9e9");
    svg.Text({x.At(tick.value), bottom + 18}, text.years ? YearText(tick.value) : tick.text,
             {.anchor = Anchor::kMiddle});
  }
  svg.Line({x.begin, bottom}, {x.end, bottom}, "#444");
  svg.Text({(x.begin + x.end) / 2, bottom + 40}, text.label, {.anchor = Anchor::kMiddle});
}

void DrawRows(Svg& svg, const Axis& x, double top, const std::vector<SpanRow>& rows) {
  for (const SpanRow& row : rows) {
    svg.Text({kLeft - 8, top + kRow / 2 + 4}, row.name, {.size = 12, .anchor = Anchor::kEnd});
    for (const Span& span : row.spans) {
      const double from = std::clamp(x.At(span.from), x.begin, x.end);
      const double to = std::clamp(x.At(span.to), x.begin, x.end);
      if (to <= from) continue;
      svg.Rectangle({from, top + 3, std::max(1.0, to - from), kRow - 6}, SeriesColour(span.colour),
                    span.label);
      if (static_cast<double>(span.label.size()) * kCharacter < to - from - 6) {
        const bool dark = span.colour % 8 == 0 || span.colour % 8 == 5;
        svg.Text({(from + to) / 2, top + kRow / 2 + 4}, span.label,
                 {.size = 12, .anchor = Anchor::kMiddle, .colour = dark ? "#fff" : "#222"});
      }
    }
    top += kRow;
  }
}

// One line of coloured squares and names.
class Legend {
 public:
  explicit Legend(Svg* svg) : svg_(svg) {}
  void Add(std::string_view colour, const std::string& name) {
    svg_->Rectangle({x_, 58, 12, 12}, colour);
    svg_->Text({x_ + 18, 69}, name, {.size = 12});
    x_ += 40 + kCharacter * static_cast<double>(name.size());
  }

 private:
  Svg* svg_;
  double x_ = kLeft;
};

constexpr std::string_view kLimitColour = "#b00020";

std::string BandColour(size_t colour) { return colour % 2 == 0 ? "#cfe3f1" : "#9cc7e3"; }

void DrawBand(Svg& svg, const Axis& x, const Axis& y, const LineChart::Band& band) {
  std::vector<Point> outline;
  for (const Point& p : band.low) outline.push_back({x.At(p.x), y.At(p.y)});
  for (auto p = band.high.rbegin(); p != band.high.rend(); ++p) {
    outline.push_back({x.At(p->x), y.At(p->y)});
  }
  svg.Polygon(outline, BandColour(band.colour));
}

void DrawSeries(Svg& svg, const Axis& x, const Axis& y, const LineChart& chart) {
  for (size_t i = 0; i < chart.series.size(); ++i) {
    std::vector<Point> line;
    for (const Point& p : chart.series[i].points) line.push_back({x.At(p.x), y.At(p.y)});
    svg.Polyline(line, SeriesColour(i), 2);
    if (!chart.series[i].marked) continue;
    for (const Point& p : line) svg.Circle(p, 3, SeriesColour(i));
  }
}

void DrawLegend(Svg& svg, const LineChart& chart) {
  Legend legend(&svg);
  for (size_t i = 0; i < chart.series.size(); ++i)
    legend.Add(SeriesColour(i), chart.series[i].name);
  for (const LineChart::Band& band : chart.bands) legend.Add(BandColour(band.colour), band.name);
  for (const LineChart::Limit& limit : chart.limits) legend.Add(kLimitColour, limit.name);
}

}  // namespace

std::string DrawLines(const LineChart& chart) {
  const Box plot{kLeft, kPlotTop, kWidth - kLeft - kRight, kPlotHeight};
  const double rows_top = plot.y + plot.height + 56;
  Svg svg(kWidth, rows_top + kRow * static_cast<double>(chart.rows.size()) + 16);
  svg.Text({24, 34}, chart.title, {.size = 19, .bold = true});
  Extent across, up;
  const auto add = [&](const std::vector<Point>& points) {
    for (const Point& p : points) across.Add(p.x), up.Add(p.y);
  };
  for (const LineChart::Series& series : chart.series) add(series.points);
  for (const LineChart::Band& band : chart.bands) add(band.low), add(band.high);
  if (across.empty()) {
    svg.Text({kWidth / 2, plot.y + plot.height / 2}, "no data", {.anchor = Anchor::kMiddle});
    return svg.Finish();
  }
  for (const LineChart::Limit& limit : chart.limits) up.Add(limit.y);
  if (chart.from_zero) up.Add(0);
  const Axis x = across.On(plot.x, plot.x + plot.width, 0);
  const Axis y = up.On(plot.y + plot.height, plot.y, 0.06);
  DrawBottom(svg, x, plot, {chart.x_label});
  for (const Tick& tick : TicksOf(y)) {
    svg.Line({x.begin, y.At(tick.value)}, {x.end, y.At(tick.value)},
             tick.value == 0 ? "#444" : "#e9e9e9");
    svg.Text({x.begin - 8, y.At(tick.value) + 4}, tick.text, {.anchor = Anchor::kEnd});
  }
  svg.Text({26, plot.y + plot.height / 2}, chart.y_label,
           {.anchor = Anchor::kMiddle, .turned_degrees = -90});
  for (const LineChart::Band& band : chart.bands) DrawBand(svg, x, y, band);
  for (const LineChart::Limit& limit : chart.limits) {
    svg.Line({x.begin, y.At(limit.y)}, {x.end, y.At(limit.y)}, kLimitColour, 1.5);
  }
  DrawSeries(svg, x, y, chart);
  DrawLegend(svg, chart);
  DrawRows(svg, x, rows_top, chart.rows);
  return svg.Finish();
}

std::string DrawSpans(const SpanChart& chart) {
  const double height = kRow * static_cast<double>(chart.rows.size());
  Svg svg(kWidth, 60 + height + 60);
  svg.Text({24, 34}, chart.title, {.size = 19, .bold = true});
  Extent across;
  for (const SpanRow& row : chart.rows) {
    for (const Span& span : row.spans) across.Add(span.from), across.Add(span.to);
  }
  if (across.empty()) {
    svg.Text({kWidth / 2, 60}, "no data", {.anchor = Anchor::kMiddle});
    return svg.Finish();
  }
  const Axis x = across.On(kLeft, kWidth - kRight, 0);
  DrawBottom(svg, x, {kLeft, 60, kWidth - kLeft - kRight, height}, {chart.x_label, chart.years});
  DrawRows(svg, x, 60, chart.rows);
  return svg.Finish();
}

}  // namespace waferline::cli
