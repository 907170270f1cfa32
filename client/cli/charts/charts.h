// The charts of waferctl as SVG documents, sized for a slide. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace waferline::cli {

// A bar for each value 0, 1, 2, ... of what was counted, from the first to the last that occurs.
struct HistogramChart {
  std::string title;
  std::string subtitle;
  std::string x_label;
  std::string y_label;
  std::vector<int64_t> counts;
};
std::string DrawHistogram(const HistogramChart& chart);

// Horizontal bars made of parts; the same part has the same colour in each bar.
struct PartsChart {
  struct Bar {
    std::string label;
    std::vector<double> parts;  // >= 0, one for each of `part_names`
  };
  std::string title;
  std::string x_label;
  std::vector<std::string> part_names;
  std::vector<Bar> bars;
};
std::string DrawParts(const PartsChart& chart);

// What a result becomes when one parameter at a time goes to its low and its high end; the widest
// swing on top.
struct TornadoChart {
  struct Swing {
    std::string parameter;
    std::string low_label, high_label;  // the parameter's ends
    double at_low = 0, at_high = 0;     // the result there
  };
  std::string title;
  std::string x_label;
  double base = 0;
  std::vector<Swing> swings;
};
std::string DrawTornado(TornadoChart chart);

}  // namespace waferline::cli
