#include "wafer_backend/compute/kernels/dequantize.h"

#include <cstring>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/quant_block.h"

namespace waferline::kernels {
namespace {

void DequantizeBlock(DType dtype, const std::byte* source, float* out) {
  QuantBlock block;
  ReadBlock(dtype, source, &block);
  const int64_t length = BlockLength(dtype);
  const int64_t part = PartLength(dtype);
  for (int64_t i = 0; i < length; ++i) {
    const float scale = block.scale[i / part] * block.unit;
    const float min = block.min[i / part] * block.min_unit;
    out[i] = scale * static_cast<float>(block.value[i]) - min;
  }
}

}  // namespace

void Dequantize(DType dtype, const void* source, int64_t count, float* out) {
  WL_CHECK(count >= 0 && count % BlockLength(dtype) == 0);
  const auto* bytes = static_cast<const std::byte*>(source);
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out, bytes, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kF16:
    case DType::kBF16:
      for (int64_t i = 0; i < count; ++i) {
        uint16_t bits;
        std::memcpy(&bits, bytes + 2 * i, 2);
        out[i] = dtype == DType::kF16 ? FloatFromF16(bits) : FloatFromBf16(bits);
      }
      return;
    default:
      for (int64_t i = 0; i < count; i += BlockLength(dtype)) {
        DequantizeBlock(dtype, bytes, out + i);
        bytes += BlockBytes(dtype).count();
      }
  }
}

}  // namespace waferline::kernels
