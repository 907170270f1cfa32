#include "tests/support/quantize.h"

#include <algorithm>
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

// A block of Q4_0: f16 scale, 16 bytes; value = scale * (nibble - 8); byte j holds element j in its
// low nibble and element j + 16 in its high one.
void PutQ4(std::string& out, std::span<const float> block) {
  float extreme = 0;
  for (float x : block) {
    if (std::fabs(x) > std::fabs(extreme)) extreme = x;
  }
  const uint16_t scale = ToF16(extreme / -8);
  const float step = FromF16(scale);
  Append(out, scale);
  const auto nibble = [step](float x) {
    const float level = step == 0 ? 8 : std::round(x / step) + 8;
    return static_cast<uint8_t>(std::clamp(level, 0.0f, 15.0f));
  };
  for (int j = 0; j < kBlock / 2; ++j) {
    Append(out, static_cast<uint8_t>(nibble(block[j]) | nibble(block[j + kBlock / 2]) << 4));
  }
}

}  // namespace

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
  const bool blocks = dtype == DType::kQ8_0 || dtype == DType::kQ4_0;
  if (blocks) {
    WL_CHECK(values.size() % kBlock == 0);
    for (size_t i = 0; i < values.size(); i += kBlock) {
      const auto block = values.subspan(i, kBlock);
      dtype == DType::kQ8_0 ? PutQ8(out, block) : PutQ4(out, block);
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
