// Whether logits are numbers that can be drawn from. Pure; a read of each.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace waferline::sampling {

// False if one of them is infinite or not a number: the weights hold such numbers, or what was
// computed with them overflowed.
inline bool AllFinite(std::span<const float> values) {
  // Without branches, so that the compiler makes vector code of it.
  constexpr uint32_t kInfinity = 0x7f80'0000;
  uint32_t largest = 0;  // magnitude, as bits: infinities and NaN are above all finite numbers
  for (const float value : values) {
    largest = std::max(largest, std::bit_cast<uint32_t>(value) & 0x7fff'ffff);
  }
  return largest < kInfinity;
}

}  // namespace waferline::sampling
