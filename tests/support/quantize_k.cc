#include "tests/support/quantize_k.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "tests/support/quantize.h"
#include "wafer_backend/base/check.h"

namespace waferline::test {
namespace {

constexpr int kSuper = 256;

void PutHalf(std::string& out, uint16_t bits) {
  out += static_cast<char>(bits & 255);
  out += static_cast<char>(bits >> 8);
}

int Level(float x, float step, int least, int most) {
  return step == 0 ? 0 : std::clamp(static_cast<int>(std::lround(x / step)), least, most);
}

// Q4_K, Q5_K: parts of 32, element = unit * scale * level - min_unit * min, levels from 0 on.
void PutWithMinima(std::string& out, std::span<const float> block, bool fifth_bit) {
  const int most = fifth_bit ? 31 : 15;
  std::array<float, 8> steps{}, minima{};
  for (size_t p = 0; p < 8; ++p) {
    const auto [low, high] =
        std::minmax_element(block.begin() + p * 32, block.begin() + p * 32 + 32);
    minima[p] = std::max(0.0f, -*low);
    steps[p] = std::max(0.0f, *high + minima[p]) / static_cast<float>(most);
  }
  const uint16_t unit_bits = ToF16(*std::max_element(steps.begin(), steps.end()) / 63);
  const uint16_t min_bits = ToF16(*std::max_element(minima.begin(), minima.end()) / 63);
  const float unit = FromF16(unit_bits), min_unit = FromF16(min_bits);
  std::array<int, 8> scale{}, min{};
  std::array<int, kSuper> level{};
  for (size_t p = 0; p < 8; ++p) {
    scale[p] = Level(steps[p], unit, 0, 63);
    min[p] = Level(minima[p], min_unit, 0, 63);
    for (size_t i = p * 32; i < p * 32 + 32; ++i) {
      const float above = block[i] + min_unit * static_cast<float>(min[p]);
      level[i] = Level(above, unit * static_cast<float>(scale[p]), 0, most);
    }
  }
  PutHalf(out, unit_bits);
  PutHalf(out, min_bits);
  // Parts 0 to 3 have six bits of a byte each; the others four bits here, two on top of those.
  for (size_t p = 0; p < 4; ++p) out += static_cast<char>(scale[p] | scale[p + 4] >> 4 << 6);
  for (size_t p = 0; p < 4; ++p) out += static_cast<char>(min[p] | min[p + 4] >> 4 << 6);
  for (size_t p = 4; p < 8; ++p) out += static_cast<char>((scale[p] & 15) | (min[p] & 15) << 4);
  for (size_t i = 0; fifth_bit && i < 32; ++i) {
    int bits = 0;
    for (size_t p = 0; p < 8; ++p) bits |= level[p * 32 + i] >> 4 << p;
    out += static_cast<char>(bits);
  }
  for (size_t pair = 0; pair < 4; ++pair) {
    for (size_t i = pair * 64; i < pair * 64 + 32; ++i) {
      out += static_cast<char>((level[i] & 15) | (level[i + 32] & 15) << 4);
    }
  }
}

// Q6_K: parts of 16, element = unit * scale * (level - 32), scales of either sign.
void PutQ6K(std::string& out, std::span<const float> block) {
  std::array<float, 16> steps{};
  float largest = 0;
  for (size_t p = 0; p < 16; ++p) {
    for (size_t i = p * 16; i < p * 16 + 16; ++i) {
      if (std::fabs(block[i]) > std::fabs(steps[p] * 32)) steps[p] = block[i] / -32;
    }
    largest = std::max(largest, std::fabs(steps[p]));
  }
  const uint16_t unit_bits = ToF16(largest / 127);
  const float unit = FromF16(unit_bits);
  std::array<int, 16> scale{};
  std::array<int, kSuper> level{};
  for (size_t i = 0; i < kSuper; ++i) {
    scale[i / 16] = Level(steps[i / 16], unit, -127, 127);
    level[i] = 32 + Level(block[i], unit * static_cast<float>(scale[i / 16]), -32, 31);
  }
  // Each half of 128: low nibbles of quarters 0 and 2, then of 1 and 3.
  for (size_t half = 0; half < kSuper; half += 128) {
    for (size_t i = half; i < half + 64; ++i) {
      out += static_cast<char>((level[i] & 15) | (level[i + 64] & 15) << 4);
    }
  }
  for (size_t half = 0; half < kSuper; half += 128) {
    for (size_t i = half; i < half + 32; ++i) {
      int bits = 0;
      for (size_t quarter = 0; quarter < 4; ++quarter) {
        bits |= level[i + quarter * 32] >> 4 << (2 * quarter);
      }
      out += static_cast<char>(bits);
    }
  }
  for (const int s : scale) out += static_cast<char>(s);
  PutHalf(out, unit_bits);
}

// Two bits an element: of each half of 128, byte i holds elements i, 32 + i, 64 + i and 96 + i.
void PutPairs(std::string& out, const std::array<int, kSuper>& level) {
  for (size_t half = 0; half < kSuper; half += 128) {
    for (size_t i = half; i < half + 32; ++i) {
      int bits = 0;
      for (size_t q = 0; q < 4; ++q) bits |= (level[i + q * 32] & 3) << (2 * q);
      out += static_cast<char>(bits);
    }
  }
}

// Q2_K: parts of 16, element = unit * scale * level - min_unit * min.
void PutQ2K(std::string& out, std::span<const float> block) {
  std::array<float, 16> steps{}, minima{};
  for (size_t p = 0; p < 16; ++p) {
    const auto [low, high] =
        std::minmax_element(block.begin() + p * 16, block.begin() + p * 16 + 16);
    minima[p] = std::max(0.0f, -*low);
    steps[p] = std::max(0.0f, *high + minima[p]) / 3;
  }
  const uint16_t unit_bits = ToF16(*std::max_element(steps.begin(), steps.end()) / 15);
  const uint16_t min_bits = ToF16(*std::max_element(minima.begin(), minima.end()) / 15);
  const float unit = FromF16(unit_bits), min_unit = FromF16(min_bits);
  std::array<int, kSuper> level{};
  for (size_t p = 0; p < 16; ++p) {
    const int scale = Level(steps[p], unit, 0, 15), min = Level(minima[p], min_unit, 0, 15);
    out += static_cast<char>(scale | min << 4);
    for (size_t i = p * 16; i < p * 16 + 16; ++i) {
      const float above = block[i] + min_unit * static_cast<float>(min);
      level[i] = Level(above, unit * static_cast<float>(scale), 0, 3);
    }
  }
  PutPairs(out, level);
  PutHalf(out, unit_bits);
  PutHalf(out, min_bits);
}

// Integer scales of parts, of either sign: the largest in size of each part is `first` steps.
struct SignedScales {
  uint16_t unit_bits;
  std::array<int, 16> scale{};
  float Step(size_t part) const { return FromF16(unit_bits) * static_cast<float>(scale[part]); }
};
SignedScales ScalesOf(std::span<const float> block, size_t part_length, float first, int most) {
  std::array<float, 16> steps{};
  float largest = 0;
  for (size_t i = 0; i < kSuper; ++i) {
    float& step = steps[i / part_length];
    if (std::fabs(block[i]) > std::fabs(step * first)) step = block[i] / first;
    largest = std::max(largest, std::fabs(step));
  }
  SignedScales scales{ToF16(largest / static_cast<float>(most))};
  for (size_t p = 0; p < kSuper / part_length; ++p) {
    scales.scale[p] = Level(steps[p], FromF16(scales.unit_bits), -most, most);
  }
  return scales;
}

// Q3_K: parts of 16, element = unit * (scale - 32) * (level - 4), six bits a scale.
void PutQ3K(std::string& out, std::span<const float> block) {
  const SignedScales scales = ScalesOf(block, 16, -4, 31);
  std::array<int, kSuper> level{};
  for (size_t i = 0; i < kSuper; ++i) {
    level[i] = 4 + Level(block[i], scales.Step(i / 16), -4, 3);
  }
  for (size_t i = 0; i < 32; ++i) {
    int bits = 0;
    for (size_t g = 0; g < 8; ++g) bits |= level[g * 32 + i] >> 2 << g;
    out += static_cast<char>(bits);
  }
  PutPairs(out, level);
  const auto stored = [&](size_t part) { return scales.scale[part] + 32; };
  for (size_t p = 0; p < 8; ++p) {
    out += static_cast<char>((stored(p) & 15) | (stored(p + 8) & 15) << 4);
  }
  for (size_t p = 0; p < 4; ++p) {
    int bits = 0;
    for (size_t g = 0; g < 4; ++g) bits |= stored(g * 4 + p) >> 4 << (2 * g);
    out += static_cast<char>(bits);
  }
  PutHalf(out, scales.unit_bits);
}

// IQ4_XS: parts of 32, element = unit * (scale - 32) * table[nibble], six bits a scale.
void PutIQ4XS(std::string& out, std::span<const float> block) {
  const SignedScales scales = ScalesOf(block, 32, kIq4Table[0], 31);
  PutHalf(out, scales.unit_bits);
  const auto stored = [&](size_t part) { return scales.scale[part] + 32; };
  int high = 0;
  for (size_t p = 0; p < 8; ++p) high |= stored(p) >> 4 << (2 * p);
  PutHalf(out, static_cast<uint16_t>(high));
  for (size_t p = 0; p < 8; p += 2) {
    out += static_cast<char>((stored(p) & 15) | (stored(p + 1) & 15) << 4);
  }
  for (size_t p = 0; p < 8; ++p) {
    for (size_t i = p * 32; i < p * 32 + 16; ++i) {
      out += static_cast<char>(NearestInTable(scales.Step(p), block[i]) |
                               NearestInTable(scales.Step(p), block[i + 16]) << 4);
    }
  }
}

void PutSuperBlock(kernels::DType dtype, std::string& out, std::span<const float> block) {
  using kernels::DType;
  switch (dtype) {
    case DType::kQ2_K:
      return PutQ2K(out, block);
    case DType::kQ3_K:
      return PutQ3K(out, block);
    case DType::kQ6_K:
      return PutQ6K(out, block);
    case DType::kIQ4_XS:
      return PutIQ4XS(out, block);
    case DType::kQ4_K:
    case DType::kQ5_K:
      return PutWithMinima(out, block, dtype == DType::kQ5_K);
    default:
      WL_CHECK(false);
  }
}

}  // namespace

std::string QuantizeK(kernels::DType dtype, std::span<const float> values) {
  WL_CHECK(values.size() % kSuper == 0);
  std::string out;
  for (size_t i = 0; i < values.size(); i += kSuper) {
    PutSuperBlock(dtype, out, values.subspan(i, kSuper));
  }
  return out;
}

}  // namespace waferline::test
