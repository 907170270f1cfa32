// How packed weights lie in memory. A panel is kPanelRows output rows over all columns, and row
// `lane` of the panel always stands in lane `lane` of a vector: each lane sums its own output in
// rising column order, so no reduction ever crosses lanes, and a row alone, in a batch or in a
// prompt takes the same steps (law 4). Sections of a panel, each on a 64-byte border:
//
//   F32   values  f32  [cols][16]
//   F16   values  f16  [cols][16]
//   BF16  values  bf16 [ceil(cols / 2)][16][2]           (an odd last column is padded with zero)
//   Q8_0  units   f16  [cols/32][16];  values u8 [cols/4][16][4], value + 128
//   Q4_0  units   f16  [cols/32][16];  nibbles, value + 8
//   Q4_K  units, min units f16 [cols/256][16]; scales, minima u8 [cols/32][16]; nibbles
//   Q5_K  as Q4_K, and fifth bits
//   Q6_K  units f16 [cols/256][16]; scales i8 [cols/16][16]; nibbles and top bits of value + 32
//
// Bits are grouped by 4 columns ("quads", what one VNNI instruction multiplies):
//   nibbles  u8 [cols/8][16][4]: low nibbles are the even quad's columns, high the odd quad's
//   fifth    u8 [cols/32][16][4]: bit t of byte i is column 4t + i of the block
//   top      u8 [cols/16][16][4]: bits 2t, 2t+1 of byte i are column 4t + i of the sixteen
//
// Rows beyond the matrix (the last panel) are zero. Plain values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::kernels {

inline constexpr int64_t kPanelRows = 16;

// Byte offsets of the sections from the panel's start; -1 where the format has none.
struct PanelLayout {
  int64_t units = -1;
  int64_t min_units = -1;
  int64_t scales = -1;
  int64_t minima = -1;
  int64_t values = -1;  // whole values, or their low nibbles
  int64_t top_bits = -1;
  int64_t bytes = 0;  // of the whole panel, a multiple of 64
};

// cols is a whole number of blocks of `dtype`.
PanelLayout LayOutPanel(DType dtype, int64_t cols);

// What is added to a quantised value to store it unsigned.
constexpr int ValueOffset(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
      return 128;
    case DType::kQ4_0:
      return 8;
    case DType::kQ6_K:
      return 32;
    default:
      return 0;
  }
}

constexpr bool IsQuantised(DType dtype) {
  return dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16;
}

// Fills one panel (zeroed before) from up to kPanelRows consecutive rows as a GGUF file holds them,
// row_bytes apart.
void PackPanel(DType dtype, const PanelLayout& layout, const std::byte* rows, int64_t row_count,
               int64_t cols, std::byte* panel);

}  // namespace waferline::kernels
