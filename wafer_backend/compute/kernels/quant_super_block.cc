// Readers of blocks of 256 elements (quant_block.h).
#include <cstring>

#include "wafer_backend/compute/kernels/quant_block.h"

namespace waferline::kernels {
namespace {

template <class Block>
Block Load(const std::byte* source) {
  Block block;
  std::memcpy(&block, source, sizeof(Block));
  return block;
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

// The nibble of element i of part p, as Q4_K and Q5_K hold them.
int NibbleOf(const uint8_t* nibbles, size_t part, size_t i) {
  const uint8_t pair = nibbles[part / 2 * 32 + i];
  return part % 2 == 0 ? pair & 15 : pair >> 4;
}

// Two bits of element i, as Q2_K and Q3_K hold them: of each half of 128, pair q of byte i are
// those of element 32 q + i.
int PairOf(const uint8_t* low_bits, size_t i) {
  return low_bits[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

}  // namespace

void ReadQ2_K(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ2_K>(source);
  StartBlock(file.unit, file.min_unit, block);
  for (size_t part = 0; part < 16; ++part) {
    block->scale[part] = file.scales[part] & 15;
    block->min[part] = file.scales[part] >> 4;
  }
  for (size_t i = 0; i < 256; ++i) block->code[i] = static_cast<uint8_t>(PairOf(file.low_bits, i));
}

// Scale p has its low four bits in byte p % 8 (from p = 8 on in the high nibble) and its high two
// in pair p / 4 of byte 8 + p % 4.
void ReadQ3_K(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ3_K>(source);
  StartBlock(file.unit, 0, block);
  for (size_t part = 0; part < 16; ++part) {
    const int low = part < 8 ? file.scales[part] & 15 : file.scales[part - 8] >> 4;
    const int high = file.scales[8 + part % 4] >> (part / 4 * 2) & 3;
    block->scale[part] = static_cast<int16_t>((low | high << 4) - 32);
  }
  for (size_t i = 0; i < 256; ++i) {
    const int high = file.high_bits[i % 32] >> (i / 32) & 1;
    block->code[i] = static_cast<uint8_t>(PairOf(file.low_bits, i) | high << 2);
  }
}

void ReadQ4_K(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ4_K>(source);
  StartBlock(file.unit, file.min_unit, block);
  ReadScalesAndMinima(file.scales, block);
  for (size_t part = 0; part < 8; ++part) {
    for (size_t i = 0; i < 32; ++i) {
      block->code[part * 32 + i] = static_cast<uint8_t>(NibbleOf(file.nibbles, part, i));
    }
  }
}

void ReadQ5_K(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ5_K>(source);
  StartBlock(file.unit, file.min_unit, block);
  ReadScalesAndMinima(file.scales, block);
  for (size_t part = 0; part < 8; ++part) {
    for (size_t i = 0; i < 32; ++i) {
      const int top = ((file.fifth_bits[i] >> part) & 1) << 4;
      block->code[part * 32 + i] = static_cast<uint8_t>(NibbleOf(file.nibbles, part, i) | top);
    }
  }
}

// Quarter q of a half (32 elements) takes nibble q / 2 of byte (q % 2) * 32 + i of the half's 64
// and bit pair q of byte i of its 32.
void ReadQ6_K(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ6_K>(source);
  StartBlock(file.unit, 0, block);
  for (size_t part = 0; part < 16; ++part) block->scale[part] = file.scales[part];
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* low = file.nibbles + half * 64;
    const uint8_t* high = file.top_bits + half * 32;
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      for (size_t i = 0; i < 32; ++i) {
        const uint8_t pair = low[quarter % 2 * 32 + i];
        const int nibble = quarter < 2 ? pair & 15 : pair >> 4;
        const int top = ((high[i] >> (2 * quarter)) & 3) << 4;
        block->code[half * 128 + quarter * 32 + i] = static_cast<uint8_t>(nibble | top);
      }
    }
  }
}

void ReadIQ4_XS(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockIQ4_XS>(source);
  StartBlock(file.unit, 0, block);
  for (size_t part = 0; part < 8; ++part) {
    const int low = file.scales_low[part / 2] >> (part % 2 * 4) & 15;
    const int high = file.scales_high[part / 4] >> (part % 4 * 2) & 3;
    block->scale[part] = static_cast<int16_t>((low | high << 4) - 32);
    ReadNibbles(file.nibbles + part * 16, block->code.data() + part * 32);
  }
}

}  // namespace waferline::kernels
