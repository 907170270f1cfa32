#include "wafer_backend/compute/kernels/half.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::kernels {
namespace {

// The value of an f16 from its definition (IEEE 754-2008, 3.6).
double F16ByDefinition(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double fraction = (bits & 1023) / 1024.0;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

bool IsFiniteF16(uint16_t bits) { return ((bits >> 10) & 31) != 31; }

TEST_CASE("every f16 widens to its value and comes back") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<F16>(bits);
    if (IsFiniteF16(half)) REQUIRE(FloatFromF16(half) == F16ByDefinition(half));
    if (std::isnan(FloatFromF16(half))) {
      REQUIRE(std::isnan(FloatFromF16(F16FromFloat(FloatFromF16(half)))));
    } else {
      REQUIRE(F16FromFloat(FloatFromF16(half)) == half);
    }
  }
}

TEST_CASE("f16 rounds to the nearest, ties to even: half-way points between all neighbours") {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = F16ByDefinition(static_cast<F16>(bits));
    const double high = F16ByDefinition(static_cast<F16>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);  // exact in f32
    REQUIRE(F16FromFloat(middle) == (bits % 2 == 0 ? bits : bits + 1));
    REQUIRE(F16FromFloat(std::nextafter(middle, 1e9f)) == bits + 1);
    REQUIRE(F16FromFloat(std::nextafter(middle, -1e9f)) == bits);
    REQUIRE(F16FromFloat(-middle) == (0x8000u | (bits % 2 == 0 ? bits : bits + 1)));
  }
  REQUIRE(F16FromFloat(65519.0f) == 0x7bff);
  REQUIRE(F16FromFloat(65520.0f) == 0x7c00);
  REQUIRE(F16FromFloat(INFINITY) == 0x7c00);
}

TEST_CASE("bf16 keeps the upper half, rounded to nearest even") {
  SeededStream random(7);
  for (int i = 0; i < 100000; ++i) {
    const auto bits = static_cast<uint32_t>(random.Next());
    const float value = std::bit_cast<float>(bits);
    if (!(std::fabs(value) < 3.3e38f)) continue;  // the neighbour above must be finite
    const float back = FloatFromBf16(Bf16FromFloat(value));
    const float above = std::bit_cast<float>((bits & 0xffff0000u) + 0x10000u);
    const float below = std::bit_cast<float>(bits & 0xffff0000u);
    const double to_below = std::fabs(static_cast<double>(value) - below);
    const double to_above = std::fabs(static_cast<double>(above) - value);
    REQUIRE(
        back ==
        (to_below < to_above || (to_below == to_above && (bits & 0x10000u) == 0) ? below : above));
  }
  REQUIRE(std::isnan(FloatFromBf16(Bf16FromFloat(NAN))));
}

}  // namespace
}  // namespace waferline::kernels
