// Rows of a weight tensor as a GGUF file holds it, turned into floats: embedding look-ups, norm
// weights, and the reference that the packed kernels are tested against. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::kernels {

// source: BytesFor(dtype, count) bytes, any alignment, little endian; out: f32 [count]. `count` is
// a whole number of blocks. Exact for the formats' own arithmetic in f32: value = scale * q (-
// min), rounded once for each product.
void Dequantize(DType dtype, const void* source, int64_t count, float* out);

}  // namespace waferline::kernels
