#include "wafer_backend/compute/kernels/panel.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

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

void PackF32(const std::byte* rows, int64_t row_count, int64_t cols, std::byte* panel) {
  auto* out = reinterpret_cast<uint32_t*>(panel);
  for (int64_t col = 0; col < cols; ++col) {
    for (int64_t lane = 0; lane < row_count; ++lane) {
      out[col * kPanelRows + lane] = Read<uint32_t>(rows + (lane * cols + col) * 4);
    }
  }
}

void PackInt16(const QuantTraits& type, const std::byte* rows, int64_t row_count, int64_t cols,
               std::byte* panel) {
  for (int64_t col = 0; col < cols; col += kInt16Block) {
    std::byte* chunk = panel + col / kInt16ScaleColumns * Int16ChunkBytes(kInt16ChunkBlocks);
    const int64_t block = col % kInt16ScaleColumns / kInt16Block;
    auto* pairs =
        reinterpret_cast<uint32_t*>(chunk + kInt16ExponentBytes + block * kInt16BlockBytes);
    for (int64_t lane = 0; lane < row_count; ++lane) {
      const std::byte* source = rows + (lane * cols + col) * type.block_bytes;
      const uint8_t exponent =
          type.pack_int16(source, std::min(kInt16Block, cols - col), pairs + lane);
      chunk[block * kPanelRows + lane] = std::byte{exponent};
    }
  }
}

// `bits` of column `col` of 32 into one row's lane of quads that share bytes.
void PackBits(int value, int bits, int64_t col, uint8_t* lane) {
  const int64_t cols = 8 / bits * 4;  // whose bits share a quad of bytes
  lane[col / cols * 64 + col % 4] |= static_cast<uint8_t>(value << (col % cols / 4 * bits));
}

// Integer scales and minima of a super-block.
void PackScales(const QuantTraits& type, const ChunkLayout& layout, const QuantBlock& block,
                int64_t lane, uint8_t* chunk) {
  for (int64_t part = 0; part < type.block_length / type.part_length; ++part) {
    const int64_t place = part * kPanelRows + lane;
    chunk[layout.scales + place] = static_cast<uint8_t>(block.scale[part]);
    if (type.nibble_scales) {
      chunk[layout.scales + place] |= static_cast<uint8_t>(block.min[part] << 4);
    } else if (type.minima) {
      chunk[layout.minima + place] = static_cast<uint8_t>(block.min[part]);
    }
  }
}

// One row's block into its lane. first: the block's first column within the chunk.
void PackBlock(const QuantTraits& type, const ChunkLayout& layout, const std::byte* source,
               int64_t first, int64_t lane, uint8_t* chunk) {
  const int64_t unit = (first / type.block_length * kPanelRows + lane) * 2;
  uint8_t* codes = chunk + layout.codes + first / 32 * layout.block_codes + lane * 4;
  if (type.pack != nullptr) {
    std::memcpy(chunk + layout.units + unit, source + type.unit_at, 2);
    return type.pack(source, reinterpret_cast<uint32_t*>(codes));
  }
  QuantBlock block;
  type.read(source, &block);
  // All exact: that is where they come from.
  const bool f16 = type.unit == UnitForm::kF16;
  const uint16_t bits = f16 ? F16FromFloat(block.unit) : Bf16FromFloat(block.unit);
  std::memcpy(chunk + layout.units + unit, &bits, 2);
  if (type.minima) {
    const F16 min_unit = F16FromFloat(block.min_unit);
    std::memcpy(chunk + layout.min_units + unit, &min_unit, 2);
  }
  if (type.super_blocks()) PackScales(type, layout, block, lane, chunk);
  for (int64_t i = 0; i < type.block_length; ++i) {
    if (i % 32 == 0 && i > 0) codes += layout.block_codes;
    const int code = block.code[i];
    PackBits(code & ((1 << type.low_bits()) - 1), type.low_bits(), i % 32, codes + layout.low_bits);
    if (type.top_bits() == 0) continue;
    PackBits(code >> type.low_bits(), type.top_bits(), i % 32, codes);
  }
}

}  // namespace

void PackQ8_0(const std::byte* source, uint32_t* quads) {
  source += offsetof(BlockQ8_0, values);
  for (int64_t t = 0; t < 8; ++t) {
    quads[t * kPanelRows] = Read<uint32_t>(source + t * 4) ^ 0x80808080u;  // + 128 in each byte
  }
}

// Four columns at a time: the file holds those together.
void PackQ4_0(const std::byte* source, uint32_t* quads) {
  constexpr uint32_t kLow = 0x0f0f0f0fu;
  source += offsetof(BlockQ4_0, nibbles);
  uint32_t low[4], high[4];  // elements 4i .. 4i + 3 and 16 + 4i ..
  for (int64_t i = 0; i < 4; ++i) {
    const auto bytes = Read<uint32_t>(source + i * 4);
    low[i] = bytes & kLow;
    high[i] = (bytes >> 4) & kLow;
  }
  quads[0 * kPanelRows] = low[0] | low[1] << 4;
  quads[1 * kPanelRows] = low[2] | low[3] << 4;
  quads[2 * kPanelRows] = high[0] | high[1] << 4;
  quads[3 * kPanelRows] = high[2] | high[3] << 4;
}

int64_t PanelBytes(DType dtype, int64_t cols) {
  const QuantTraits& type = TraitsOf(dtype);
  WL_CHECK(cols > 0 && cols % type.block_length == 0);
  if (type.int16()) {
    const int64_t blocks = Int16Blocks(cols);
    return blocks / kInt16ChunkBlocks * Int16ChunkBytes(kInt16ChunkBlocks) +
           (blocks % kInt16ChunkBlocks == 0 ? 0 : Int16ChunkBytes(blocks % kInt16ChunkBlocks));
  }
  if (!type.quantised()) return BytesFor(dtype, cols * kPanelRows).count();
  const ChunkLayout chunk = LayOutChunk(type);
  const int64_t rest = cols % chunk.cols;
  return cols / chunk.cols * chunk.bytes(chunk.cols) + (rest == 0 ? 0 : chunk.bytes(rest));
}

void PackPanel(DType dtype, const std::byte* rows, int64_t row_count, int64_t cols,
               std::byte* panel) {
  WL_CHECK(row_count >= 0 && row_count <= kPanelRows);
  const QuantTraits& type = TraitsOf(dtype);
  if (type.int16()) return PackInt16(type, rows, row_count, cols, panel);
  if (!type.quantised()) return PackF32(rows, row_count, cols, panel);
  const int64_t row_bytes = BytesFor(dtype, cols).count();
  const ChunkLayout layout = LayOutChunk(type);
  auto* chunks = reinterpret_cast<uint8_t*>(panel);
  for (int64_t col = 0; col < cols; col += type.block_length) {
    uint8_t* chunk = chunks + col / layout.cols * layout.bytes(layout.cols);
    for (int64_t lane = 0; lane < row_count; ++lane) {
      const int64_t at = lane * row_bytes + col / type.block_length * type.block_bytes;
      PackBlock(type, layout, rows + at, col % layout.cols, lane, chunk);
    }
  }
}

}  // namespace waferline::kernels
