// One block of a quantised GGUF tensor: how the files lay out scales and bits, and the readers that
// take a block apart, which everything else is packed from and tested against. Source: the block
// structures of the GGUF type definitions (ggml docs/gguf.md and the files that it names).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wafer_backend/compute/kernels/half.h"

namespace waferline::kernels {

// What the nibbles of a type stand for that has no even steps.
using CodeBook = std::array<int8_t, 16>;
inline constexpr CodeBook kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
// OCP Microscaling Formats v1.0, E2M1: twice the values, so that they are whole; zero has two
// codes.
inline constexpr CodeBook kE2M1Values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// The blocks as they lie in a file, little endian, without gaps and at any address (hence copied,
// never cast). `unit` is what scales are counted in.
struct BlockQ8_0 {
  F16 unit;
  int8_t values[32];
};
// In all blocks of 32: low nibbles are elements 0 .. 15, high ones 16 .. 31.
struct BlockQ4_0 {
  F16 unit;
  uint8_t nibbles[16];  // value + 8
};
struct BlockQ4_1 {
  F16 unit;
  F16 least;  // is added to each element
  uint8_t nibbles[16];
};
struct BlockQ5_0 {
  F16 unit;
  uint8_t fifth_bits[4];  // of element i: bit i % 8 of byte i / 8
  uint8_t nibbles[16];    // value + 16
};
struct BlockQ5_1 {
  F16 unit;
  F16 least;
  uint8_t fifth_bits[4];
  uint8_t nibbles[16];
};
struct BlockIQ4_NL {
  F16 unit;
  uint8_t nibbles[16];  // places in kIq4Values
};
struct BlockMXFP4 {
  uint8_t exponent;     // the unit is 2^(exponent - 128), as kE2M1Values are doubled
  uint8_t nibbles[16];  // places in kE2M1Values
};
// K-quants are 256 elements in parts of 32 (Q4_K, Q5_K) or 16 (the others) with integer scales.
struct BlockQ2_K {
  uint8_t scales[16];    // low nibbles; the parts' minima are the high ones
  uint8_t low_bits[64];  // 32 bytes for each half of 128 elements, two bits an element
  F16 unit;
  F16 min_unit;
};
struct BlockQ3_K {
  uint8_t high_bits[32];  // of element i: bit i / 32 of byte i % 32; value + 4
  uint8_t low_bits[64];   // as in Q2_K
  uint8_t scales[12];     // sixteen 6-bit scales + 32, see ReadQ3_K
  F16 unit;
};
struct BlockQ4_K {
  F16 unit;
  F16 min_unit;
  uint8_t scales[12];    // eight 6-bit scales and minima, see ReadScalesAndMinima
  uint8_t nibbles[128];  // 32 bytes for each 64 elements, low nibbles the first 32
};
struct BlockQ5_K {
  F16 unit;
  F16 min_unit;
  uint8_t scales[12];
  uint8_t fifth_bits[32];  // of element i of part p: bit p of byte i
  uint8_t nibbles[128];
};
struct BlockQ6_K {
  uint8_t nibbles[128];  // 64 bytes for each half of 128 elements
  uint8_t top_bits[64];  // 32 bytes for each half, two bits an element; value + 32
  int8_t scales[16];
  F16 unit;
};

struct BlockIQ4_XS {
  F16 unit;
  uint8_t scales_high[2];  // of eight 6-bit scales + 32: bits 4 and 5, two bits a part
  uint8_t scales_low[4];   // bits 0 .. 3, a nibble a part
  uint8_t nibbles[128];    // 16 bytes a part, each as in IQ4_NL
};

// A block taken apart, of any type:
// element i = unit * scale[p] * QuantTraits::ValueOf(code[i]) - min_unit * min[p],
// p = i / QuantTraits::part_length.
struct QuantBlock {
  std::array<uint8_t, 256> code;  // as packed: unsigned, the format's offset included
  float unit;
  float min_unit;                 // 0 where the format has no minima
  std::array<int16_t, 16> scale;  // 1 where the format has none
  std::array<int16_t, 16> min;    // 0 where the format has none
};

// What all readers start from: scales and minima are the format's units alone until they say
// otherwise.
void StartBlock(F16 unit, F16 min_unit, QuantBlock* block);
// The codes of 32 elements whose 16 bytes hold the first 16 in their low nibbles.
void ReadNibbles(const uint8_t* nibbles, uint8_t* code);

// source: one block of the type. Fills all of `block` that the type has elements and parts for.
void ReadQ8_0(const std::byte* source, QuantBlock* block);
void ReadQ4_0(const std::byte* source, QuantBlock* block);
void ReadQ4_1(const std::byte* source, QuantBlock* block);
void ReadQ5_0(const std::byte* source, QuantBlock* block);
void ReadQ5_1(const std::byte* source, QuantBlock* block);
void ReadIQ4_NL(const std::byte* source, QuantBlock* block);
void ReadMXFP4(const std::byte* source, QuantBlock* block);
// quant_super_block.cc
void ReadQ2_K(const std::byte* source, QuantBlock* block);
void ReadQ3_K(const std::byte* source, QuantBlock* block);
void ReadQ4_K(const std::byte* source, QuantBlock* block);
void ReadQ5_K(const std::byte* source, QuantBlock* block);
void ReadQ6_K(const std::byte* source, QuantBlock* block);
void ReadIQ4_XS(const std::byte* source, QuantBlock* block);

}  // namespace waferline::kernels
