#include "tests/support/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "tests/support/quantize_k.h"
#include "wafer_backend/base/check.h"

namespace waferline::test {
namespace {

constexpr int kBlock = 32;

template <typename T>
void Append(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// A block of Q8_0: f16 scale, 32 signed bytes; value = scale * byte.
void PutQ8(std::string& out, std::span<const float> block) {
  float largest = 0;
  for (float x : block) largest = std::max(largest, std::fabs(x));
  const uint16_t scale = ToF16(largest / 127);
  const float step = FromF16(scale);
  Append(out, scale);
  for (float x : block) {
    const float level = step == 0 ? 0 : std::round(x / step);
    Append(out, static_cast<int8_t>(std::clamp(level, -127.0f, 127.0f)));
  }
}

// 16 bytes; byte j holds the low four bits of element j in its low nibble and of j + 16 in its
// high.
void PutNibbles(std::string& out, const std::array<uint8_t, kBlock>& level) {
  for (size_t j = 0; j < kBlock / 2; ++j) {
    Append(out, static_cast<uint8_t>((level[j] & 15) | (level[j + kBlock / 2] & 15) << 4));
  }
}

// Four bytes: bit j of the 32 is the fifth of element j.
void PutFifthBits(std::string& out, const std::array<uint8_t, kBlock>& level) {
  uint32_t bits = 0;
  for (size_t j = 0; j < kBlock; ++j) bits |= static_cast<uint32_t>(level[j] >> 4) << j;
  Append(out, bits);
}

std::array<uint8_t, kBlock> Levels(std::span<const float> block, float base, float step, int most) {
  std::array<uint8_t, kBlock> level{};
  for (size_t j = 0; j < kBlock; ++j) {
    const float steps = step == 0 ? 0 : std::round((block[j] - base) / step);
    level[j] = static_cast<uint8_t>(std::clamp(steps, 0.0f, static_cast<float>(most)));
  }
  return level;
}

// A block of Q4_0 or Q5_0: f16 scale, value = scale * (level - middle), middle 8 or 16: the largest
// in size is level 0.
void PutAroundZero(std::string& out, std::span<const float> block, int middle) {
  float extreme = 0;
  for (float x : block) {
    if (std::fabs(x) > std::fabs(extreme)) extreme = x;
  }
  const uint16_t scale = ToF16(extreme / static_cast<float>(-middle));
  const float step = FromF16(scale);
  Append(out, scale);
  const auto level = Levels(block, step * static_cast<float>(-middle), step, 2 * middle - 1);
  if (middle == 16) PutFifthBits(out, level);
  PutNibbles(out, level);
}

// A block of Q4_1 or Q5_1: f16 scale and least value, value = scale * level + least.
void PutFromLeast(std::string& out, std::span<const float> block, int most) {
  const auto [low, high] = std::minmax_element(block.begin(), block.end());
  const uint16_t scale = ToF16((*high - *low) / static_cast<float>(most));
  const uint16_t least = ToF16(*low);
  Append(out, scale);
  Append(out, least);
  const auto level = Levels(block, FromF16(least), FromF16(scale), most);
  if (most == 31) PutFifthBits(out, level);
  PutNibbles(out, level);
}

// A block of IQ4_NL: f16 scale, places in the format's table: the largest in size is its first.
void PutIQ4_NL(std::string& out, std::span<const float> block) {
  float extreme = 0;
  for (float x : block) {
    if (std::fabs(x) > std::fabs(extreme)) extreme = x;
  }
  const uint16_t scale = ToF16(extreme / kIq4Table[0]);
  Append(out, scale);
  std::array<uint8_t, kBlock> level{};
  for (size_t j = 0; j < kBlock; ++j) level[j] = NearestInTable(FromF16(scale), block[j]);
  PutNibbles(out, level);
}

// A block of MXFP4: a power of two that leaves the largest within 6 (OCP Microscaling Formats v1.0,
// 6.3: that of the largest, less the largest exponent of an element), four-bit floats.
void PutMXFP4(std::string& out, std::span<const float> block) {
  constexpr float kSizes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  float largest = 0;
  for (float x : block) largest = std::max(largest, std::fabs(x));
  const int exponent = largest == 0 ? 0 : std::clamp(std::ilogb(largest) - 2 + 127, 0, 254);
  Append(out, static_cast<uint8_t>(exponent));
  std::array<uint8_t, kBlock> level{};
  for (size_t j = 0; j < kBlock; ++j) {
    const float size = std::ldexp(std::fabs(block[j]), 127 - exponent);
    size_t nearest = 0;
    for (size_t i = 1; i < 8; ++i) {
      if (std::fabs(kSizes[i] - size) < std::fabs(kSizes[nearest] - size)) nearest = i;
    }
    level[j] = static_cast<uint8_t>(nearest | (block[j] < 0 ? 8 : 0));
  }
  PutNibbles(out, level);
}

void PutBlock(kernels::DType dtype, std::string& out, std::span<const float> block) {
  using kernels::DType;
  switch (dtype) {
    case DType::kQ8_0:
      return PutQ8(out, block);
    case DType::kQ4_0:
      return PutAroundZero(out, block, 8);
    case DType::kQ5_0:
      return PutAroundZero(out, block, 16);
    case DType::kQ4_1:
      return PutFromLeast(out, block, 15);
    case DType::kQ5_1:
      return PutFromLeast(out, block, 31);
    case DType::kIQ4_NL:
      return PutIQ4_NL(out, block);
    case DType::kMXFP4:
      return PutMXFP4(out, block);
    default:
      WL_CHECK(false);
  }
}

}  // namespace

uint8_t NearestInTable(float step, float x) {
  uint8_t nearest = 0;
  for (uint8_t i = 1; i < 16; ++i) {
    if (std::fabs(kIq4Table[i] * step - x) < std::fabs(kIq4Table[nearest] * step - x)) nearest = i;
  }
  return nearest;
}

uint16_t ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const double size = std::fabs(static_cast<double>(value));
  if (std::isnan(value)) return sign | 0x7e00;
  if (size >= 65520) return sign | 0x7c00;  // rounds to infinity
  // Below 2^-14 the step is 2^-24, above it 2^-10 of the power of two.
  int exponent = size == 0 ? -14 : std::max(-14, std::ilogb(size));
  // nearbyint rounds halves to even.
  const uint32_t mantissa = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  // The hidden bit, or a carry out of the mantissa, adds into the exponent as it should.
  const uint32_t biased = static_cast<uint32_t>(exponent + 14) << 10;
  return static_cast<uint16_t>(sign | (biased + mantissa));
}

float FromF16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  float size;
  if (exponent == 31) {
    size = mantissa == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    size = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    size = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return bits & 0x8000 ? -size : size;
}

uint16_t ToBF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float FromBF16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

std::string Quantize(kernels::DType dtype, std::span<const float> values) {
  using kernels::DType;
  if (kernels::BlockLength(dtype) == 256) return QuantizeK(dtype, values);
  std::string out;
  if (kernels::BlockLength(dtype) == kBlock) {
    WL_CHECK(values.size() % kBlock == 0);
    for (size_t i = 0; i < values.size(); i += kBlock) {
      PutBlock(dtype, out, values.subspan(i, kBlock));
    }
    return out;
  }
  for (float value : values) {
    if (dtype == DType::kF32) {
      Append(out, value);
    } else if (dtype == DType::kF16) {
      Append(out, ToF16(value));
    } else {
      WL_CHECK(dtype == DType::kBF16);
      Append(out, ToBF16(value));
    }
  }
  return out;
}

}  // namespace waferline::test
