// Arithmetic on single rows of f32 between the matrix products. Each function handles one row, so
// callers spread rows over a ThreadPool as they like; a row's result depends on nothing but its
// arguments and the CPU path. In and out may be the same array unless said otherwise. Any thread.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

// y[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i], i < size (Zhang, Sennrich: "Root Mean Square
// Layer Normalization", 2019). x, weight, y: f32 [size].
void RmsNorm(const float* x, const float* weight, float epsilon, int64_t size, float* y,
             CpuPath path = BestPath());

// y[i] = gate[i] * sigmoid(gate[i]) * up[i] (Shazeer: "GLU Variants Improve Transformer", 2020).
void SwiGlu(const float* gate, const float* up, int64_t size, float* y, CpuPath path = BestPath());

// y[i] += x[i]: residuals and biases.
void AddTo(const float* x, int64_t size, float* y, CpuPath path = BestPath());

// y = softmax(x): exp(x[i] - max x) / sum. -inf gives 0; at least one element is finite.
void Softmax(const float* x, int64_t size, float* y, CpuPath path = BestPath());

}  // namespace waferline::kernels
