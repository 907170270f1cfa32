#include "wafer_backend/compute/kernels/quant_block.h"

#include <cstring>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/half.h"

namespace waferline::kernels {
namespace {

float HalfAt(const uint8_t* bytes) {
  F16 bits;
  std::memcpy(&bits, bytes, 2);
  return FloatFromF16(bits);
}

void ReadQ8_0(const uint8_t* bytes, QuantBlock* block) {
  block->unit = HalfAt(bytes);
  for (size_t i = 0; i < 32; ++i) block->value[i] = static_cast<int8_t>(bytes[2 + i]);
}

void ReadQ4_0(const uint8_t* bytes, QuantBlock* block) {
  block->unit = HalfAt(bytes);
  for (size_t i = 0; i < 16; ++i) {
    block->value[i] = static_cast<int16_t>((bytes[2 + i] & 15) - 8);
    block->value[16 + i] = static_cast<int16_t>((bytes[2 + i] >> 4) - 8);
  }
}

// Q4_K and Q5_K: eight 6-bit scales and minima in 12 bytes. Parts 0..3 lie in the low six bits of
// bytes 0..3 (scales) and 4..7 (minima); parts 4..7 have their low four bits in bytes 8..11 and
// their high two bits on top of those bytes.
void ReadScalesAndMinima(const uint8_t* packed, QuantBlock* block) {
  for (size_t part = 0; part < 4; ++part) {
    block->scale[part] = packed[part] & 63;
    block->min[part] = packed[part + 4] & 63;
    block->scale[part + 4] =
        static_cast<int16_t>((packed[part + 8] & 15) | ((packed[part] >> 6) << 4));
    block->min[part + 4] =
        static_cast<int16_t>((packed[part + 8] >> 4) | ((packed[part + 4] >> 6) << 4));
  }
}

// Nibbles: 32 bytes for each 64 elements, low nibbles the first 32. Q5_K's fifth bit of element i
// of part p is bit p of byte i of `high`.
void ReadQ4_KOrQ5_K(const uint8_t* bytes, bool fifth_bit, QuantBlock* block) {
  block->unit = HalfAt(bytes);
  block->min_unit = HalfAt(bytes + 2);
  ReadScalesAndMinima(bytes + 4, block);
  const uint8_t* high = bytes + 16;
  const uint8_t* nibbles = bytes + (fifth_bit ? 48 : 16);
  for (size_t part = 0; part < 8; ++part) {
    for (size_t i = 0; i < 32; ++i) {
      const uint8_t pair = nibbles[part / 2 * 32 + i];
      const int low = part % 2 == 0 ? pair & 15 : pair >> 4;
      const int top = fifth_bit ? ((high[i] >> part) & 1) << 4 : 0;
      block->value[part * 32 + i] = static_cast<int16_t>(low | top);
    }
  }
}

// Q6_K: for each half of 128 elements, 64 bytes of low nibbles and 32 bytes of high bit pairs; then
// 16 int8 scales and the f16 unit. Quarter q of a half (32 elements) takes nibble q / 2 of byte
// (q % 2) * 32 + i and bit pair q of byte i.
void ReadQ6_K(const uint8_t* bytes, QuantBlock* block) {
  block->unit = HalfAt(bytes + 208);
  for (size_t part = 0; part < 16; ++part) {
    block->scale[part] = static_cast<int8_t>(bytes[192 + part]);
  }
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* low = bytes + half * 64;
    const uint8_t* high = bytes + 128 + half * 32;
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      for (size_t i = 0; i < 32; ++i) {
        const uint8_t pair = low[quarter % 2 * 32 + i];
        const int nibble = quarter < 2 ? pair & 15 : pair >> 4;
        const int top = ((high[i] >> (2 * quarter)) & 3) << 4;
        block->value[half * 128 + quarter * 32 + i] = static_cast<int16_t>((nibble | top) - 32);
      }
    }
  }
}

}  // namespace

void ReadBlock(DType dtype, const std::byte* source, QuantBlock* block) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(source);
  block->min_unit = 0;
  block->scale.fill(1);
  block->min.fill(0);
  switch (dtype) {
    case DType::kQ8_0:
      return ReadQ8_0(bytes, block);
    case DType::kQ4_0:
      return ReadQ4_0(bytes, block);
    case DType::kQ4_K:
    case DType::kQ5_K:
      return ReadQ4_KOrQ5_K(bytes, dtype == DType::kQ5_K, block);
    case DType::kQ6_K:
      return ReadQ6_K(bytes, block);
    default:
      CheckFailed("a quantised dtype", __FILE__, __LINE__);
  }
}

}  // namespace waferline::kernels
