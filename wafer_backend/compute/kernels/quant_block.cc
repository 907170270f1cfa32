#include "wafer_backend/compute/kernels/quant_block.h"

#include <cstring>

namespace waferline::kernels {
namespace {

template <class Block>
Block Load(const std::byte* source) {
  Block block;
  std::memcpy(&block, source, sizeof(Block));
  return block;
}

// Scales and minima stay the format's units alone until a reader says otherwise.
void StartBlock(F16 unit, F16 min_unit, QuantBlock* block) {
  block->unit = FloatFromF16(unit);
  block->min_unit = FloatFromF16(min_unit);
  block->scale.fill(1);
  block->min.fill(0);
}

// What is added to every element is a minimum of the other sign.
void StartWithLeast(F16 unit, F16 least, QuantBlock* block) {
  StartBlock(unit, least ^ 0x8000, block);
  block->min.fill(1);
}

// The codes of a block of 32 from their nibbles.
void ReadNibbles(const uint8_t* nibbles, uint8_t* code) {
  for (size_t i = 0; i < 16; ++i) {
    code[i] = nibbles[i] & 15;
    code[16 + i] = nibbles[i] >> 4;
  }
}

void AddFifthBits(const uint8_t* bits, uint8_t* code) {
  for (size_t i = 0; i < 32; ++i) {
    code[i] |= static_cast<uint8_t>((bits[i / 8] >> (i % 8) & 1) << 4);
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

// The nibble of element i of part p, as Q4_K and Q5_K hold them.
int NibbleOf(const uint8_t* nibbles, size_t part, size_t i) {
  const uint8_t pair = nibbles[part / 2 * 32 + i];
  return part % 2 == 0 ? pair & 15 : pair >> 4;
}

}  // namespace

void ReadQ8_0(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ8_0>(source);
  StartBlock(file.unit, 0, block);
  for (size_t i = 0; i < 32; ++i) block->code[i] = static_cast<uint8_t>(file.values[i] + 128);
}

void ReadQ4_0(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ4_0>(source);
  StartBlock(file.unit, 0, block);
  ReadNibbles(file.nibbles, block->code.data());
}

void ReadQ4_1(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ4_1>(source);
  StartWithLeast(file.unit, file.least, block);
  ReadNibbles(file.nibbles, block->code.data());
}

void ReadQ5_0(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ5_0>(source);
  StartBlock(file.unit, 0, block);
  ReadNibbles(file.nibbles, block->code.data());
  AddFifthBits(file.fifth_bits, block->code.data());
}

void ReadQ5_1(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockQ5_1>(source);
  StartWithLeast(file.unit, file.least, block);
  ReadNibbles(file.nibbles, block->code.data());
  AddFifthBits(file.fifth_bits, block->code.data());
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

}  // namespace waferline::kernels
