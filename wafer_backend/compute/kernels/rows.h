// Arithmetic on single rows of f32 between the matrix products. Each function handles one row, so
// callers spread rows over a ThreadPool as they like; a row's result depends on nothing but its
// arguments and the CPU path. In and out may be the same array unless said otherwise. Any thread.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

// y[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i], i < size (Zhang, Sennrich: "Root Mean Square
// Layer Normalization", 2019). x, weight, y: f32 [size]; weight nullptr: all 1.
void RmsNorm(const float* x, const float* weight, float epsilon, int64_t size, float* y,
             CpuPath path = BestPath());

// y[i] = (x[i] - mean x) / sqrt(variance x + epsilon) * weight[i] + bias[i] (Ba, Kiros, Hinton:
// "Layer Normalization", 2016). bias nullptr: none.
struct LayerNormWeights {
  const float* weight = nullptr;  // f32 [size]; nullptr: all 1
  const float* bias = nullptr;    // f32 [size]; nullptr: none
  float epsilon = 0;
};
void LayerNorm(const LayerNormWeights& norm, const float* x, int64_t size, float* y,
               CpuPath path = BestPath());

enum class Activation : uint8_t {
  kSilu,         // x sigmoid(x)
  kGelu,         // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (Hendrycks, Gimpel 2016)
  kReluSquared,  // max(x, 0)^2 (So et al.: "Primer", 2021)
  // min(x, 7) sigmoid(1.702 min(x, 7)); a gate's factor is then clamp(up, -7, 7) + 1 (OpenAI:
  // "gpt-oss", model code of 2025).
  kClampedSilu,
};

// y[i] = activation(x[i]).
void Activate(Activation kind, const float* x, int64_t size, float* y, CpuPath path = BestPath());

// y[i] = activation(gate[i]) * up[i] (Shazeer: "GLU Variants Improve Transformer", 2020).
void Gate(Activation kind, const float* gate, const float* up, int64_t size, float* y,
          CpuPath path = BestPath());

// y[i] += x[i]: residuals and biases.
void AddTo(const float* x, int64_t size, float* y, CpuPath path = BestPath());

// y[i] += factor * x[i], the product rounded before the sum.
void AddScaled(float factor, const float* x, int64_t size, float* y, CpuPath path = BestPath());

// y[i] *= factor.
void Scale(float factor, int64_t size, float* y, CpuPath path = BestPath());

// y[i] = cap * tanh(y[i] / cap), cap > 0 (Gemma Team: "Gemma 2", 2024).
void SoftCap(float cap, int64_t size, float* y, CpuPath path = BestPath());

// y = softmax(x): exp(x[i] - max x) / sum. -inf gives 0; at least one element is finite.
void Softmax(const float* x, int64_t size, float* y, CpuPath path = BestPath());

}  // namespace waferline::kernels
