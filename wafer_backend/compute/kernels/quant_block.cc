#include "wafer_backend/compute/kernels/quant_block.h"

#include <bit>
#include <cstring>

namespace waferline::kernels {
namespace {

template <class Block>
Block Load(const std::byte* source) {
  Block block;
  std::memcpy(&block, source, sizeof(Block));
  return block;
}

// What is added to every element is a minimum of the other sign.
void StartWithLeast(F16 unit, F16 least, QuantBlock* block) {
  StartBlock(unit, least ^ 0x8000, block);
  block->min.fill(1);
}

void AddFifthBits(const uint8_t* bits, uint8_t* code) {
  for (size_t i = 0; i < 32; ++i) {
    code[i] |= static_cast<uint8_t>((bits[i / 8] >> (i % 8) & 1) << 4);
  }
}

}  // namespace

void StartBlock(F16 unit, F16 min_unit, QuantBlock* block) {
  block->unit = FloatFromF16(unit);
  block->min_unit = FloatFromF16(min_unit);
  block->scale.fill(1);
  block->min.fill(0);
}

void ReadNibbles(const uint8_t* nibbles, uint8_t* code) {
  for (size_t i = 0; i < 16; ++i) {
    code[i] = nibbles[i] & 15;
    code[16 + i] = nibbles[i] >> 4;
  }
}

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

void ReadIQ4_NL(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockIQ4_NL>(source);
  StartBlock(file.unit, 0, block);
  ReadNibbles(file.nibbles, block->code.data());
}

void ReadMXFP4(const std::byte* source, QuantBlock* block) {
  const auto file = Load<BlockMXFP4>(source);
  StartBlock(0, 0, block);
  // The smallest two units are subnormal.
  const uint32_t e = file.exponent;
  block->unit = std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  ReadNibbles(file.nibbles, block->code.data());
}

}  // namespace waferline::kernels
