#include "wafer_backend/compute/kernels/dequantize.h"

#include <cstring>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

void DequantizeBlock(const QuantTraits& type, const std::byte* source, float* out) {
  QuantBlock block;
  type.read(source, &block);
  for (int64_t part = 0; part * type.part_length < type.block_length; ++part) {
    const float scale = block.scale[part] * block.unit;
    const float min = block.min[part] * block.min_unit;
    for (int64_t i = part * type.part_length; i < (part + 1) * type.part_length; ++i) {
      out[i] = scale * static_cast<float>(type.ValueOf(block.code[i])) - min;
    }
  }
}

}  // namespace

void Dequantize(DType dtype, const void* source, int64_t count, float* out) {
  const QuantTraits& type = TraitsOf(dtype);
  WL_CHECK(count >= 0 && count % type.block_length == 0);
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
      for (int64_t i = 0; i < count; i += type.block_length) {
        DequantizeBlock(type, bytes, out + i);
        bytes += type.block_bytes;
      }
  }
}

}  // namespace waferline::kernels
