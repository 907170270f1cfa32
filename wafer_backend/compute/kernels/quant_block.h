// One block of a quantised GGUF tensor: how the files lay out scales and bits, and the readers that
// take a block apart, which everything else is packed from and tested against. Source: the block
// structures of the GGUF type definitions (ggml docs/gguf.md and the files that it names).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wafer_backend/compute/kernels/half.h"

namespace waferline::kernels {

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
// K-quants are 256 elements in parts of 32 (Q4_K, Q5_K) or 16 (Q6_K) with integer scales.
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
  uint8_t top_bits[64];  // 32 bytes for each half, two bits an element
  int8_t scales[16];
  F16 unit;  // value + 32
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

// source: one block of the type. Fills all of `block` that the type has elements and parts for.
void ReadQ8_0(const std::byte* source, QuantBlock* block);
void ReadQ4_0(const std::byte* source, QuantBlock* block);
void ReadQ4_1(const std::byte* source, QuantBlock* block);
void ReadQ5_0(const std::byte* source, QuantBlock* block);
void ReadQ5_1(const std::byte* source, QuantBlock* block);
void ReadQ4_K(const std::byte* source, QuantBlock* block);
void ReadQ5_K(const std::byte* source, QuantBlock* block);
void ReadQ6_K(const std::byte* source, QuantBlock* block);

}  // namespace waferline::kernels
