// 128-bit integers, for the sources of this folder alone: other folders see Money, Cents and int64.
#pragma once

#include <cstdint>

namespace waferline {

__extension__ using Wide = __int128;

// numerator / denominator (above 0), rounded to the nearest whole number, halves to the even one.
// The only place where money and shares of it are rounded.
constexpr Wide RoundedHalfEven(Wide numerator, Wide denominator) {
  Wide quotient = numerator / denominator;
  Wide rest = numerator % denominator;
  if (rest < 0) {  // towards minus infinity, so that 0 <= rest < denominator
    rest += denominator;
    --quotient;
  }
  const bool up = rest > denominator - rest || (rest == denominator - rest && quotient % 2 != 0);
  return quotient + (up ? 1 : 0);
}

}  // namespace waferline
