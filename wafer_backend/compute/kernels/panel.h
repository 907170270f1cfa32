// The memory layout of packed weights. A panel is kPanelRows output rows over all columns, and row
// `lane` of the panel is always in lane `lane` of a vector: each lane sums its own output in rising
// column order, so no reduction ever crosses lanes, and a row alone, in a batch or in a prompt
// takes the same steps (law 4). It also costs nothing: a dot product along a row would end in a
// reduction over the vector for each output.
//
// F32: [cols][16]. F16 and BF16: chunks of 128 columns as int16_form.h says.
//
// Quantised panels are a row of chunks, each with all that its columns need, so that a whole matrix
// is one unbroken stream for the memory system: scales, then the codes of each 32 columns. A chunk
// is a super-block, or two blocks of 32 columns. Its sections, each on a 64-byte border:
//
//   units      f16 [16]       of a super-block, with min units f16 [16] on the same line
//              f16 [2][16]    of two blocks (bf16 of UnitForm::kE8M0), then their min units f16
//                             [2][16] if there are minima
//   scales     i8 [parts][16] of super-blocks; nibble_scales: low nibbles, the minima are the high
//   minima     u8 [parts][16] of super-blocks with minima
//   codes      [cols/32], each u8 [8][16][4] of 8 bits, or top bits and then nibbles or pairs
//
// The layout of a type follows from its row in quant_traits.h (LayOutChunk). Bits of 32 columns are
// grouped by 4 columns ("quads", what one VNNI instruction multiplies):
//
//   nibbles  u8 [4][16][4]: low nibbles are the even quad's columns, high the odd quad's
//            (a mask and a shift of one load give either quad, with its lanes in place)
//   pairs    u8 [2][16][4]: bits 2t, 2t+1 of byte i are column 4t + i of 16; so are two top bits
//   top      u8 [16][4], one bit: bit t of byte i is column 4t + i of the 32
//
// The last chunk of blocks may be one block alone: full units, and codes of 32 columns.
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
  int64_t min_units = 0;
  int64_t scales = 0;
  int64_t minima = 0;
  int64_t codes = 0;
  int64_t block_codes = 0;  // bytes of the codes of 32 columns
  int64_t low_bits = 0;     // within them; top bits are first: memory is read in rising order
  constexpr int64_t bytes(int64_t columns) const { return codes + columns / 32 * block_codes; }
};

constexpr ChunkLayout LayOutChunk(const QuantTraits& type) {
  const int64_t parts = type.super_blocks() ? type.block_length / type.part_length : 0;
  ChunkLayout chunk{.cols = type.super_blocks() ? type.block_length : 64};
  chunk.min_units = kPanelRows * (type.super_blocks() ? 2 : 4);
  chunk.scales = type.minima && !type.super_blocks() ? 128 : 64;
  chunk.minima = chunk.scales + parts * kPanelRows;
  chunk.codes = chunk.minima + (type.minima && !type.nibble_scales ? parts * kPanelRows : 0);
  chunk.block_codes = 32 * kPanelRows * type.bits / 8;
  chunk.low_bits = 32 * kPanelRows * type.top_bits() / 8;
  return chunk;
}

// Of a whole panel, a multiple of 64. cols is a whole number of blocks of `dtype`.
int64_t PanelBytes(DType dtype, int64_t cols);

// Fills one panel (zeroed before) from up to kPanelRows consecutive rows as a GGUF file holds them,
// one after the other.
void PackPanel(DType dtype, const std::byte* rows, int64_t row_count, int64_t cols,
               std::byte* panel);

}  // namespace waferline::kernels
