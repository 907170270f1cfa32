// A chart's axis from values to pixels, and its ticks at round numbers. Values; pure.
#pragma once

#include <string>
#include <vector>

namespace waferline::cli {

struct Axis {
  double from = 0, to = 1;    // values, from < to
  double begin = 0, end = 1;  // pixels
  double At(double value) const { return begin + (value - from) / (to - from) * (end - begin); }
};

struct Tick {
  double value = 0;
  std::string text;  // as many digits as tell it from its neighbours
};

// At multiples of 1, 2 or 5 times a power of ten, three to ten of them.
std::vector<Tick> TicksOf(const Axis& axis);

}  // namespace waferline::cli
