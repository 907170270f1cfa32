#include "wafer_backend/hardware/placement/cut.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline::placement {
namespace {

// How many parts of at most `most` the pieces from each one to the end take, filled greedily.
std::vector<int> PartsFrom(std::span<const double> sizes, double most) {
  std::vector<int> parts(sizes.size() + 1, 0);
  // Greedy from the back: any piece's suffix is cut best by filling from its end too, as parts of a
  // line have no preferred direction.
  double filled = 0;
  int used = 0;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (used == 0 || filled + sizes[i] > most) {
      ++used;
      filled = 0;
    }
    filled += sizes[i];
    parts[i] = used;
  }
  return parts;
}

double LeastMaximum(std::span<const double> sizes, int parts) {
  double low = 0, high = 0;
  for (const double size : sizes) {
    low = std::max(low, size);
    high += size;
  }
  for (int step = 0; step < 60 && low < high; ++step) {
    const double middle = low + (high - low) / 2;
    if (PartsFrom(sizes, middle).front() <= parts) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return high * (1 + 1e-12);  // sums differ in the last digits by the direction of adding
}

}  // namespace

std::vector<int> CutEvenly(std::span<const double> sizes, int parts) {
  WL_CHECK(parts >= 1 && static_cast<size_t>(parts) <= sizes.size());
  const double most = LeastMaximum(sizes, parts);
  const std::vector<int> parts_from = PartsFrom(sizes, most);
  double left = 0;
  for (const double size : sizes) left += size;
  std::vector<int> part_of;
  int part = 0;
  double filled = 0, target = left / parts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int parts_after = parts - part - 1;
    const auto pieces_left = static_cast<int>(std::min<size_t>(sizes.size() - i, 1 << 30));
    const bool must_move = filled + sizes[i] > most || pieces_left <= parts_after;
    const bool may_move = parts_after > 0 && parts_from[i] <= parts_after;
    if (i > 0 && parts_after > 0 && (must_move || (may_move && filled + sizes[i] / 2 > target))) {
      left -= filled;
      ++part;
      filled = 0;
      target = left / (parts - part);
    }
    filled += sizes[i];
    part_of.push_back(part);
  }
  return part_of;
}

}  // namespace waferline::placement
