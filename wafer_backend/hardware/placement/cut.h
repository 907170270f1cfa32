// Cuts a sequence of pieces into neighbouring parts, one a wafer, as evenly as boundaries allow.
// Pure; any thread.
#pragma once

#include <span>
#include <vector>

namespace waferline::placement {

// The fewest parts of at most `max_size` each; a piece that is larger is a part of its own.
int FewestParts(std::span<const double> sizes, double max_size);

// The part of each piece: parts are in order and none is empty. The largest part is as small as
// any cut into `parts` can make it; below that the others are near the mean. `sizes` >= 0, 1 <=
// parts <= sizes.size() (a bug otherwise). O(pieces) a step of a bisection of some 20.
std::vector<int> CutEvenly(std::span<const double> sizes, int parts);

}  // namespace waferline::placement
