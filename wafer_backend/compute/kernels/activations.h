// Activations as the quantised products want them: rounded to int8 in blocks of 32 columns. Inner
// part of matrix.h.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

inline constexpr int64_t kActivationBlock = 32;

// One row: value[i] = scale[i / 32] * q[i]. cols is a multiple of 32.
struct QuantisedRow {
  int8_t* q;      // [cols], -127 .. 127
  float* scale;   // [cols / 32], largest magnitude / 127; 0 for a block of zeros
  int32_t* sums;  // [cols / 16], sum of q over each half block
};

// x: f32 [cols]. Rounds to nearest even.
void QuantiseRow(const float* x, int64_t cols, const QuantisedRow& row);

}  // namespace waferline::kernels
