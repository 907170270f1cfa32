#include "wafer_backend/compute/kernels/panel.h"

#include <bit>
#include <cstring>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/quant_block.h"

namespace waferline::kernels {
namespace {

static_assert(std::endian::native == std::endian::little,
              "GGUF files and panels are little endian");

void PackFloats(DType dtype, const std::byte* row, int64_t lane, int64_t cols, std::byte* panel) {
  for (int64_t col = 0; col < cols; ++col) {
    if (dtype == DType::kF32) {
      std::memcpy(panel + (col * kPanelRows + lane) * 4, row + 4 * col, 4);
    } else if (dtype == DType::kF16) {
      std::memcpy(panel + (col * kPanelRows + lane) * 2, row + 2 * col, 2);
    } else {
      std::memcpy(panel + (col / 2 * kPanelRows + lane) * 4 + col % 2 * 2, row + 2 * col, 2);
    }
  }
}

// col: within the chunk.
void PackValue(DType dtype, const ChunkLayout& layout, uint8_t value, int64_t col, int64_t lane,
               uint8_t* chunk) {
  const int64_t byte_of_lane = lane * 4 + col % 4;
  if (dtype == DType::kQ8_0) {
    chunk[layout.values + col / 4 * 64 + byte_of_lane] = value;
    return;
  }
  chunk[layout.values + col / 8 * 64 + byte_of_lane] |=
      static_cast<uint8_t>((value & 15) << (col / 4 % 2 * 4));
  if (dtype == DType::kQ5_K) {
    chunk[layout.top_bits + col / 32 * 64 + byte_of_lane] |=
        static_cast<uint8_t>((value >> 4) << (col % 32 / 4));
  } else if (dtype == DType::kQ6_K) {
    chunk[layout.top_bits + col / 16 * 64 + byte_of_lane] |=
        static_cast<uint8_t>((value >> 4) << (col % 16 / 4 * 2));
  }
}

// first: the block's first column within the chunk.
void PackBlock(DType dtype, const ChunkLayout& layout, const std::byte* source, int64_t first,
               int64_t lane, uint8_t* chunk) {
  QuantBlock block;
  ReadBlock(dtype, source, &block);
  const int64_t length = BlockLength(dtype);
  const int64_t unit_at = (first / length * kPanelRows + lane) * 2;
  std::memcpy(chunk + layout.units + unit_at, source + (dtype == DType::kQ6_K ? 208 : 0), 2);
  for (int64_t i = 0; i < length; ++i) {
    PackValue(dtype, layout, static_cast<uint8_t>(block.value[i] + ValueOffset(dtype)), first + i,
              lane, chunk);
  }
  if (length == 32) return;
  for (int64_t part = 0; part < length / PartLength(dtype); ++part) {
    const int64_t place = part * kPanelRows + lane;
    chunk[layout.scales + place] = static_cast<uint8_t>(block.scale[part]);
    if (dtype == DType::kQ6_K) continue;
    chunk[layout.minima + place] = static_cast<uint8_t>(block.min[part]);
  }
  if (dtype != DType::kQ6_K) std::memcpy(chunk + layout.min_units + lane * 2, source + 2, 2);
}

}  // namespace

int64_t PanelBytes(DType dtype, int64_t cols) {
  WL_CHECK(cols > 0 && cols % BlockLength(dtype) == 0);
  if (dtype == DType::kBF16) return (cols + 1) / 2 * 64;
  if (!IsQuantised(dtype)) return (BytesFor(dtype, cols * kPanelRows).count() + 63) / 64 * 64;
  const ChunkLayout chunk = LayOutChunk(dtype);
  const int64_t half_chunk = chunk.values + (chunk.bytes - chunk.values) / 2;
  return cols / chunk.cols * chunk.bytes + (cols % chunk.cols == 0 ? 0 : half_chunk);
}

void PackPanel(DType dtype, const std::byte* rows, int64_t row_count, int64_t cols,
               std::byte* panel) {
  WL_CHECK(row_count >= 0 && row_count <= kPanelRows);
  const int64_t row_bytes = BytesFor(dtype, cols).count();
  if (!IsQuantised(dtype)) {
    for (int64_t lane = 0; lane < row_count; ++lane) {
      PackFloats(dtype, rows + lane * row_bytes, lane, cols, panel);
    }
    return;
  }
  const ChunkLayout layout = LayOutChunk(dtype);
  auto* chunks = reinterpret_cast<uint8_t*>(panel);
  const int64_t length = BlockLength(dtype);
  for (int64_t col = 0; col < cols; col += length) {
    uint8_t* chunk = chunks + col / layout.cols * layout.bytes;
    for (int64_t lane = 0; lane < row_count; ++lane) {
      const int64_t at = lane * row_bytes + col / length * BlockBytes(dtype).count();
      PackBlock(dtype, layout, rows + at, col % layout.cols, lane, chunk);
    }
  }
}

}  // namespace waferline::kernels
