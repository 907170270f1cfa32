// Whole numbers in proportion: a total shared out so that the shares sum to it, and one share of
// it. Pure functions, any thread. Used for cents over months and nanoseconds over requests.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace waferline {

// value x numerator / denominator (above 0), rounded once, half to even. The result must fit in 64
// bits: a caller with bounded inputs sees to it.
int64_t Proportion(int64_t value, int64_t numerator, int64_t denominator);

// The same, rounded down (towards minus infinity).
int64_t ProportionDown(int64_t value, int64_t numerator, int64_t denominator);

// `total` shared in proportion to `weights` (none negative), by largest remainder; equal remainders
// favour the earlier share. The shares sum to `total` exactly, each is within 1 of its exact
// value, and none has the other sign. If all weights are 0, the first share has all of it; without
// weights there are no shares. Time: n log n.
std::vector<int64_t> Apportion(int64_t total, std::span<const int64_t> weights);

}  // namespace waferline
