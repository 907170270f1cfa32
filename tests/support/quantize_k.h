// The K-quants of quantize.h and IQ4_XS: super-blocks of 256 elements in parts with integer scales
// of their own.
#pragma once

#include <span>
#include <string>

#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::test {

// Q2_K to Q6_K or IQ4_XS; values.size() is a multiple of 256.
std::string QuantizeK(kernels::DType dtype, std::span<const float> values);

}  // namespace waferline::test
