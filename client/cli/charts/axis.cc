#include "client/cli/charts/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace waferline::cli {
namespace {

// A round step of which about five cover `range`.
double Step(double range) {
  const double raw = range / 5;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string TextOf(double value, double step, double largest) {
  static constexpr struct {
    double unit;
    const char* suffix;
  } kScales[] = {{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
  char text[64];
  if (largest >= 1e15 || largest < 1e-4) {
    snprintf(text, sizeof text, "%.4g", value);
    return text;
  }
  double unit = 1;
  const char* suffix = "";
  for (const auto& scale : kScales) {
    if (largest < 10 * scale.unit) continue;
    unit = scale.unit;
    suffix = scale.suffix;
    break;
  }
  const int digits = std::max(0, static_cast<int>(-std::floor(std::log10(step / unit) + 1e-9)));
  snprintf(text, sizeof text, "%.*f%s", digits, value / unit, value == 0 ? "" : suffix);
  return text;
}

}  // namespace

std::vector<Tick> TicksOf(const Axis& axis) {
  const double step = Step(axis.to - axis.from);
  const double largest = std::max(std::abs(axis.from), std::abs(axis.to));
  std::vector<Tick> ticks;
  const double last = std::floor(axis.to / step * (1 + 1e-12) + 1e-9);
  for (double i = std::ceil(axis.from / step - 1e-9); i <= last; ++i) {
    const double value = i == 0 ? 0 : i * step;  // no -0
    ticks.push_back({value, TextOf(value, step, largest)});
  }
  return ticks;
}

}  // namespace waferline::cli
