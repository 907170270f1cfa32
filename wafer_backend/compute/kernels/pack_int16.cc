// Packing of F16 and BF16 as integers (int16_form.h), a block of 32 columns at a time: plain loops
// that compilers turn into vectors.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/panel.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

// Finite values, without a branch.
struct FiniteF16 {
  static float Value(F16 bits) {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fffu) << 13;
    return std::bit_cast<float>(sign | magnitude) * 0x1p112f;
  }
  static bool Finite(int16_t magnitude) { return magnitude < 0x7c00; }
};
struct FiniteBf16 {
  static float Value(BF16 bits) { return FloatFromBf16(bits); }
  static bool Finite(int16_t magnitude) { return magnitude < 0x7f80; }
};

template <class Float>
uint8_t PackBlock(const std::byte* source, int64_t count, uint32_t* pairs) {
  uint16_t bits[kInt16Block] = {};
  if (count == kInt16Block) {
    std::memcpy(bits, source, sizeof(bits));  // without a call
  } else {
    std::memcpy(bits, source, static_cast<size_t>(count) * 2);
  }
  int16_t largest = 0;
  for (const uint16_t value : bits) {
    largest = std::max(largest, static_cast<int16_t>(value & 0x7fff));
  }
  if (largest == 0) return 0;
  if (!Float::Finite(largest)) return 255;
  // As an f32 has it: the largest is below 2^(power - 126).
  const auto value = std::bit_cast<uint32_t>(Float::Value(static_cast<uint16_t>(largest)));
  const int power = static_cast<int>(value >> 23);
  const int exponent = std::max(power - 126 - kInt16WeightBits, -126);
  const auto factor = std::bit_cast<float>(static_cast<uint32_t>(127 - exponent) << 23);
  constexpr float kNoFraction = 0x1.8p23f;  // leaves a sum no room for one: rounds to nearest even
  uint16_t integers[kInt16Block];
  for (int64_t i = 0; i < kInt16Block; ++i) {
    const float rounded = Float::Value(bits[i]) * factor + kNoFraction;
    integers[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded));
  }
  for (int64_t i = 0; i < kInt16Block / 2; ++i) {
    std::memcpy(pairs + i * kPanelRows, integers + 2 * i, 4);
  }
  return static_cast<uint8_t>(exponent + 127);
}

}  // namespace

uint8_t PackF16(const std::byte* source, int64_t count, uint32_t* pairs) {
  return PackBlock<FiniteF16>(source, count, pairs);
}

uint8_t PackBF16(const std::byte* source, int64_t count, uint32_t* pairs) {
  return PackBlock<FiniteBf16>(source, count, pairs);
}

}  // namespace waferline::kernels
