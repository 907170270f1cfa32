// One block of a quantised GGUF tensor, taken apart: the single place that knows how the files lay
// out scales and bits. Source: the block structures of the GGUF type definitions (Q8_0: f16 d, 32
// int8; Q4_0: f16 d, 16 bytes whose low nibbles are elements 0..15 and high nibbles 16..31, offset
// 8; K-quants: 256 elements in parts of 32 (Q4_K, Q5_K) or 16 (Q6_K) with integer scales, see .cc).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::kernels {

// element i = unit * scale[p] * value[i] - min_unit * min[p], p = i / PartLength(dtype).
struct QuantBlock {
  std::array<int16_t, 256> value;  // signed, the format's offset already taken off
  float unit;                      // f16 in the file
  float min_unit;                  // f16 in the file, 0 where the format has no minima
  std::array<int16_t, 16> scale;   // 1 where the format has none
  std::array<int16_t, 16> min;     // 0 where the format has none
};

// Elements that share a scale: 32, or 16 for Q6_K.
constexpr int64_t PartLength(DType dtype) { return dtype == DType::kQ6_K ? 16 : 32; }

// source: BlockBytes(dtype) bytes; dtype is a quantised one.
void ReadBlock(DType dtype, const std::byte* source, QuantBlock* block);

}  // namespace waferline::kernels
