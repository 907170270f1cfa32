// 16-bit floats, one at a time: IEEE binary16 and bfloat16, rounded to nearest even. The loops of
// the kernels use the CPU's own conversions, which give the same bits.
#pragma once

#include <bit>
#include <cstdint>

namespace waferline::kernels {

using F16 = uint16_t;   // the bits
using BF16 = uint16_t;  // the bits

constexpr float FloatFromBf16(BF16 bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

constexpr BF16 Bf16FromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<BF16>((bits >> 16) | 0x40u);  // NaN
  return static_cast<BF16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

constexpr float FloatFromF16(F16 bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1fu) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  const float tiny = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal: exact in binary32
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(tiny));
}

constexpr F16 F16FromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint32_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return static_cast<F16>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));  // NaN
  }
  if (magnitude >= 0x477ff000u)
    return static_cast<F16>(sign | 0x7c00u);  // 65520 and up round to inf
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 leaves the value, rounded to a multiple of 2^-24, in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<F16>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<F16>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace waferline::kernels
