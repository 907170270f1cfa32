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

template <typename T>
T Read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

// Elements of type T (a pair of bf16 is one), [count][16] from rows `row_bytes` apart.
template <typename T>
void Interleave(const std::byte* rows, int64_t row_count, int64_t row_bytes, int64_t count,
                std::byte* panel) {
  auto* out = reinterpret_cast<T*>(panel);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t lane = 0; lane < row_count; ++lane) {
      out[i * kPanelRows + lane] =
          Read<T>(rows + lane * row_bytes + i * static_cast<int64_t>(sizeof(T)));
    }
  }
}

void PackFloats(DType dtype, const std::byte* rows, int64_t row_count, int64_t cols,
                std::byte* panel) {
  const int64_t row_bytes = BytesFor(dtype, cols).count();
  if (dtype == DType::kF16) return Interleave<F16>(rows, row_count, row_bytes, cols, panel);
  if (dtype == DType::kF32) return Interleave<uint32_t>(rows, row_count, row_bytes, cols, panel);
  Interleave<uint32_t>(rows, row_count, row_bytes, cols / 2, panel);
  if (cols % 2 == 0) return;
  for (int64_t lane = 0; lane < row_count; ++lane) {
    const auto last = Read<BF16>(rows + (lane + 1) * row_bytes - 2);
    std::memcpy(panel + (cols / 2 * kPanelRows + lane) * 4, &last, 2);
  }
}

// One row's block of 32 into its lane: 4 columns at a time, as both formats hold them in order.
void PackQ8_0(const std::byte* source, uint32_t* quads) {
  for (int64_t t = 0; t < 8; ++t) {
    quads[t * kPanelRows] = Read<uint32_t>(source + 2 + t * 4) ^ 0x80808080u;  // + 128 in each byte
  }
}

void PackQ4_0(const std::byte* source, uint32_t* quad_pairs) {
  constexpr uint32_t kLow = 0x0f0f0f0fu;
  uint32_t low[4], high[4];  // elements 4i .. 4i + 3 and 16 + 4i ..
  for (int64_t i = 0; i < 4; ++i) {
    const auto bytes = Read<uint32_t>(source + 2 + i * 4);
    low[i] = bytes & kLow;
    high[i] = (bytes >> 4) & kLow;
  }
  quad_pairs[0 * kPanelRows] = low[0] | low[1] << 4;
  quad_pairs[1 * kPanelRows] = low[2] | low[3] << 4;
  quad_pairs[2 * kPanelRows] = high[0] | high[1] << 4;
  quad_pairs[3 * kPanelRows] = high[2] | high[3] << 4;
}

// col: within the chunk of a K-quant.
void PackValue(DType dtype, const ChunkLayout& layout, uint8_t value, int64_t col, int64_t lane,
               uint8_t* chunk) {
  const int64_t byte_of_lane = lane * 4 + col % 4;
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

void PackSuperBlock(DType dtype, const ChunkLayout& layout, const std::byte* source, int64_t lane,
                    uint8_t* chunk) {
  QuantBlock block;
  ReadBlock(dtype, source, &block);
  std::memcpy(chunk + layout.units + lane * 2, source + (dtype == DType::kQ6_K ? 208 : 0), 2);
  for (int64_t i = 0; i < 256; ++i) {
    PackValue(dtype, layout, static_cast<uint8_t>(block.value[i] + ValueOffset(dtype)), i, lane,
              chunk);
  }
  for (int64_t part = 0; part < 256 / PartLength(dtype); ++part) {
    const int64_t place = part * kPanelRows + lane;
    chunk[layout.scales + place] = static_cast<uint8_t>(block.scale[part]);
    if (dtype == DType::kQ6_K) continue;
    chunk[layout.minima + place] = static_cast<uint8_t>(block.min[part]);
  }
  if (dtype != DType::kQ6_K) std::memcpy(chunk + layout.min_units + lane * 2, source + 2, 2);
}

// first: the block's first column within the chunk.
void PackBlock(DType dtype, const ChunkLayout& layout, const std::byte* source, int64_t first,
               int64_t lane, uint8_t* chunk) {
  if (dtype != DType::kQ8_0 && dtype != DType::kQ4_0) {
    return PackSuperBlock(dtype, layout, source, lane, chunk);
  }
  std::memcpy(chunk + layout.units + (first / 32 * kPanelRows + lane) * 2, source, 2);
  const int64_t block_bytes = (layout.bytes - layout.values) / 2;
  auto* values = reinterpret_cast<uint32_t*>(chunk + layout.values + first / 32 * block_bytes);
  (dtype == DType::kQ8_0 ? PackQ8_0 : PackQ4_0)(source, values + lane);
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
  if (!IsQuantised(dtype)) return PackFloats(dtype, rows, row_count, cols, panel);
  const int64_t row_bytes = BytesFor(dtype, cols).count();
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
