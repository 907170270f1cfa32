// The memory layout of packed weights. A panel is kPanelRows output rows over all columns, and row
// `lane` of the panel is always in lane `lane` of a vector: each lane sums its own output in rising
// column order, so no reduction ever crosses lanes, and a row alone, in a batch or in a prompt
// takes the same steps (law 4). It also costs nothing: a dot product along a row would end in a
// reduction over the vector for each output.
//
// Floats:  F32 [cols][16];  F16 [cols][16];  BF16 [ceil(cols / 2)][16][2], padded with zero.
//
// Quantised panels are a row of chunks, each with all that its columns need, so that a whole matrix
// is one unbroken stream for the memory system. Sections of a chunk, in this order, each on a
// 64-byte border:
//
//   Q8_0  64 columns   units f16 [2][16]; values u8 [16][16][4], value + 128
//   Q4_0  64 columns   units f16 [2][16]; nibbles, value + 8
//   Q4_K  256 columns  units, min units f16 [16] each; scales, minima u8 [8][16]; nibbles
//   Q5_K  256 columns  as Q4_K, and fifth bits
//   Q6_K  256 columns  units f16 [16], padded; scales i8 [16][16]; nibbles; top bits; value + 32
//
// The chunk of a type follows from its row in quant_traits.h (LayOutChunk); these are what comes
// out. (Q8_0 and Q4_0: a last chunk of 32 columns has full units and half the values.) Bits are
// grouped by 4 columns ("quads", what one VNNI instruction multiplies), c columns to the chunk:
//
//   nibbles  u8 [c/8][16][4]: low nibbles are the even quad's columns, high the odd quad's
//            (a mask and a shift of one load give either quad, with its lanes in place)
//   fifth    u8 [c/32][16][4]: bit t of byte i is column 4t + i of the 32
//   top      u8 [c/16][16][4]: bits 2t, 2t+1 of byte i are column 4t + i of the 16
//
// Rows beyond the matrix (the last panel) are zero. Plain values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {

inline constexpr int64_t kPanelRows = 16;

// Byte offsets of a chunk's sections; quantised types only.
struct ChunkLayout {
  int64_t cols;
  int64_t units = 0;
  int64_t min_units = 0;  // behind the units, on the same 64-byte line
  int64_t scales = 0;
  int64_t minima = 0;
  int64_t values = 0;  // whole values, or their low nibbles
  int64_t top_bits = 0;
  int64_t bytes = 0;
};

constexpr ChunkLayout LayOutChunk(const QuantTraits& type) {
  const int64_t parts = type.super_blocks() ? type.block_length / type.part_length : 0;
  ChunkLayout chunk{.cols = type.super_blocks() ? type.block_length : 64};
  chunk.min_units = kPanelRows * 2;
  chunk.scales = 64;  // units and min units, or two blocks' units
  chunk.minima = chunk.scales + parts * kPanelRows;
  chunk.values = chunk.minima + (type.minima ? parts * kPanelRows : 0);
  chunk.top_bits = chunk.values + chunk.cols * kPanelRows * (type.bits - type.top_bits()) / 8;
  chunk.bytes = chunk.top_bits + chunk.cols * kPanelRows * type.top_bits() / 8;
  return chunk;
}

// Of a whole panel, a multiple of 64. cols is a whole number of blocks of `dtype`.
int64_t PanelBytes(DType dtype, int64_t cols);

// Fills one panel (zeroed before) from up to kPanelRows consecutive rows as a GGUF file holds them,
// one after the other.
void PackPanel(DType dtype, const std::byte* rows, int64_t row_count, int64_t cols,
               std::byte* panel);

}  // namespace waferline::kernels
