// Passes over one row of logits, for a vocabulary of 128k in tens of microseconds. Plain functions,
// any thread. The same bits on every instruction set: products and sums are never fused, and sums
// are taken in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline::sampling {

// What a token that cannot be drawn has instead of a logit.
constexpr float kMasked = -__builtin_inff();

// False if one of them is infinite or not a number: the weights hold such numbers, or what was
// computed with them overflowed.
bool AllFinite(std::span<const float> values);

// NaN and -inf become the lowest float, +inf the largest: a broken row still gives a token and
// finite log-probabilities. Returns the largest value. `logits` must not be empty.
float CleanAndFindLargest(std::span<float> logits);

// The largest value of clean logits that may hold kMasked.
float FindLargest(std::span<const float> logits);

// kMasked where bit i % 64 of word i / 64 is 0, and behind the last word.
void KeepWhereSet(std::span<const uint64_t> bits, std::span<float> logits);

// The smallest index whose value equals `value`, which must be there.
TokenId FirstEqual(std::span<const float> logits, float value);

// weights[i] = exp((logits[i] - shift) * scale), 0 below exp(-87); `shift` is the largest logit, so
// that no argument is positive. exp by its Taylor series of degree 7 on [-ln2/2, ln2/2], relative
// error below 3e-7. Returns the sum in double.
double ExpAll(std::span<const float> logits, float shift, float scale, std::span<float> weights);

// The `count` largest (all if fewer), largest first, the smaller id first among equals; kMasked is
// never among them. O(vocabulary) plus O(count log count).
void LargestOf(std::span<const float> logits, size_t count,
               std::vector<std::pair<float, TokenId>>* out);

}  // namespace waferline::sampling
