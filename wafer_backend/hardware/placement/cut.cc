#include "wafer_backend/hardware/placement/cut.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline::placement {
namespace {

// How many parts of at max_size `max_size` the pieces take, filled greedily; from each piece to the
// end too if `from` (sizes.size() + 1 zeros) is given. Greedy from the back: any piece's suffix is
// cut best by filling from its end too, as parts of a line have no preferred direction.
int PartsOf(std::span<const double> sizes, double max_size, std::vector<int>* from = nullptr) {
  double filled = 0;
  int used = 0;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (used == 0 || filled + sizes[i] > max_size) {
      ++used;
      filled = 0;
    }
    filled += sizes[i];
    if (from != nullptr) (*from)[i] = used;
  }
  return used;
}

double LeastMaximum(std::span<const double> sizes, int parts) {
  double largest = 0, sum = 0;
  for (const double size : sizes) {
    largest = std::max(largest, size);
    sum += size;
  }
  // Greedy parts are within one piece of even ones. A millionth is less than any piece counts.
  double low = std::max(largest, sum / parts), high = sum / parts + largest;
  while (high - low > 1e-6 * high) {
    const double middle = low + (high - low) / 2;
    (PartsOf(sizes, middle) <= parts ? high : low) = middle;
  }
  return high * (1 + 1e-12);  // sums differ in the last digits by the direction of adding
}

}  // namespace

int FewestParts(std::span<const double> sizes, double max_size) { return PartsOf(sizes, max_size); }

std::vector<int> CutEvenly(std::span<const double> sizes, int parts) {
  WL_CHECK(parts >= 1 && static_cast<size_t>(parts) <= sizes.size());
  const double max_size = LeastMaximum(sizes, parts);
  std::vector<int> parts_from(sizes.size() + 1, 0);
  PartsOf(sizes, max_size, &parts_from);
  double left = 0;
  for (const double size : sizes) left += size;
  std::vector<int> part_of;
  int part = 0;
  double filled = 0, target = left / parts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int parts_after = parts - part - 1;
    const auto pieces_left = static_cast<int>(std::min<size_t>(sizes.size() - i, 1 << 30));
    const bool must_move = filled + sizes[i] > max_size || pieces_left <= parts_after;
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
