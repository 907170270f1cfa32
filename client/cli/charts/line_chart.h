// Lines over a common axis, with what belongs under them: bands, limits, and rows of spans (which
// stage binds when, when an order is placed and arrives). Pure.
#pragma once

#include <string>
#include <vector>

#include "client/cli/charts/svg.h"

namespace waferline::cli {

// A stretch of the x axis in a row of its own.
struct Span {
  double from = 0, to = 0;
  std::string label;  // drawn if there is room, and as a tip
  size_t colour = 0;  // SeriesColour
};
struct SpanRow {
  std::string name;
  std::vector<Span> spans;
};

struct LineChart {
  struct Series {
    std::string name;
    std::vector<Point> points;  // values, by rising x
    bool marked = false;        // a dot at each point
  };
  // Between two lines of the same x.
  struct Band {
    std::string name;
    std::vector<Point> low, high;
    size_t colour = 0;
  };
  struct Limit {
    std::string name;
    double y = 0;
  };
  std::string title;
  std::string x_label, y_label;
  std::vector<Series> series;
  std::vector<Band> bands;
  std::vector<Limit> limits;
  std::vector<SpanRow> rows;  // below the plot
  bool from_zero = true;      // the y axis has 0
};
// "no data" if no series and no band has a point.
std::string DrawLines(const LineChart& chart);

struct SpanChart {
  std::string title;
  std::string x_label;
  std::vector<SpanRow> rows;
  bool years = false;  // the x axis counts years, from 0 on: 2026.5 is "Jul 2026"
};
// A row each, on a common axis from the first span to the last.
std::string DrawSpans(const SpanChart& chart);

}  // namespace waferline::cli
