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

int64_t TakeSection(PanelLayout* layout, int64_t bytes) {
  const int64_t offset = layout->bytes;
  layout->bytes += (bytes + 63) / 64 * 64;
  return offset;
}

template <typename T>
T* At(std::byte* panel, int64_t offset) {
  return reinterpret_cast<T*>(panel + offset);
}

void PackFloats(DType dtype, const PanelLayout& layout, const std::byte* row, int64_t lane,
                int64_t cols, std::byte* panel) {
  for (int64_t col = 0; col < cols; ++col) {
    if (dtype == DType::kF32) {
      std::memcpy(At<float>(panel, layout.values) + col * kPanelRows + lane, row + 4 * col, 4);
    } else if (dtype == DType::kF16) {
      std::memcpy(At<F16>(panel, layout.values) + col * kPanelRows + lane, row + 2 * col, 2);
    } else {
      const int64_t place = (col / 2 * kPanelRows + lane) * 2 + col % 2;
      std::memcpy(At<BF16>(panel, layout.values) + place, row + 2 * col, 2);
    }
  }
}

void PackValue(DType dtype, const PanelLayout& layout, uint8_t value, int64_t col, int64_t lane,
               std::byte* panel) {
  auto* values = At<uint8_t>(panel, layout.values);
  const int64_t byte_of_lane = lane * 4 + col % 4;
  if (dtype == DType::kQ8_0) {
    values[col / 4 * 64 + byte_of_lane] = value;
    return;
  }
  values[col / 8 * 64 + byte_of_lane] |=
      static_cast<uint8_t>((value & 15) << (col / 4 % 2 == 0 ? 0 : 4));
  if (dtype == DType::kQ5_K) {
    At<uint8_t>(panel, layout.top_bits)[col / 32 * 64 + byte_of_lane] |=
        static_cast<uint8_t>((value >> 4) << (col % 32 / 4));
  } else if (dtype == DType::kQ6_K) {
    At<uint8_t>(panel, layout.top_bits)[col / 16 * 64 + byte_of_lane] |=
        static_cast<uint8_t>((value >> 4) << (col % 16 / 4 * 2));
  }
}

void PackUnits(DType dtype, const PanelLayout& layout, const std::byte* source, int64_t place,
               std::byte* panel) {
  const int64_t unit_at = dtype == DType::kQ6_K ? 208 : 0;
  std::memcpy(At<F16>(panel, layout.units) + place, source + unit_at, 2);
  if (layout.min_units >= 0) {
    std::memcpy(At<F16>(panel, layout.min_units) + place, source + 2, 2);
  }
}

void PackBlock(DType dtype, const PanelLayout& layout, const std::byte* source, int64_t index,
               int64_t lane, std::byte* panel) {
  QuantBlock block;
  ReadBlock(dtype, source, &block);
  PackUnits(dtype, layout, source, index * kPanelRows + lane, panel);
  const int64_t length = BlockLength(dtype);
  const int64_t parts = length / PartLength(dtype);
  for (int64_t part = 0; part < parts && layout.scales >= 0; ++part) {
    const int64_t place = (index * parts + part) * kPanelRows + lane;
    At<int8_t>(panel, layout.scales)[place] = static_cast<int8_t>(block.scale[part]);
    if (layout.minima >= 0) {
      At<int8_t>(panel, layout.minima)[place] = static_cast<int8_t>(block.min[part]);
    }
  }
  for (int64_t i = 0; i < length; ++i) {
    PackValue(dtype, layout, static_cast<uint8_t>(block.value[i] + ValueOffset(dtype)),
              index * length + i, lane, panel);
  }
}

}  // namespace

PanelLayout LayOutPanel(DType dtype, int64_t cols) {
  WL_CHECK(cols > 0 && cols % BlockLength(dtype) == 0);
  PanelLayout layout;
  const int64_t blocks = cols / BlockLength(dtype);
  const bool minima = dtype == DType::kQ4_K || dtype == DType::kQ5_K;
  if (!IsQuantised(dtype)) {
    const int64_t padded = dtype == DType::kBF16 ? (cols + 1) / 2 * 2 : cols;
    layout.values = TakeSection(&layout, BytesFor(dtype, padded * kPanelRows).count());
    return layout;
  }
  layout.units = TakeSection(&layout, blocks * kPanelRows * 2);
  if (minima) layout.min_units = TakeSection(&layout, blocks * kPanelRows * 2);
  if (BlockLength(dtype) == 256) {
    layout.scales = TakeSection(&layout, cols / PartLength(dtype) * kPanelRows);
  }
  if (minima) layout.minima = TakeSection(&layout, cols / PartLength(dtype) * kPanelRows);
  layout.values = TakeSection(&layout, cols * kPanelRows / (dtype == DType::kQ8_0 ? 1 : 2));
  if (dtype == DType::kQ5_K) layout.top_bits = TakeSection(&layout, cols * kPanelRows / 8);
  if (dtype == DType::kQ6_K) layout.top_bits = TakeSection(&layout, cols * kPanelRows / 4);
  return layout;
}

void PackPanel(DType dtype, const PanelLayout& layout, const std::byte* rows, int64_t row_count,
               int64_t cols, std::byte* panel) {
  WL_CHECK(row_count >= 0 && row_count <= kPanelRows);
  const int64_t row_bytes = BytesFor(dtype, cols).count();
  for (int64_t lane = 0; lane < row_count; ++lane) {
    const std::byte* row = rows + lane * row_bytes;
    if (!IsQuantised(dtype)) {
      PackFloats(dtype, layout, row, lane, cols, panel);
      continue;
    }
    for (int64_t index = 0; index < cols / BlockLength(dtype); ++index) {
      PackBlock(dtype, layout, row + index * BlockBytes(dtype).count(), index, lane, panel);
    }
  }
}

}  // namespace waferline::kernels
