#include "wafer_backend/compute/kernels/rows.h"

#include <algorithm>
#include <cmath>

namespace waferline::kernels {

void RmsNorm(const float* x, const float* weight, float epsilon, int64_t size, float* y,
             CpuPath path) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(x[i]) * x[i];
  const auto factor =
      static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(size) + epsilon));
  for (int64_t i = 0; i < size; ++i) y[i] = x[i] * factor * weight[i];
}

void SwiGlu(const float* gate, const float* up, int64_t size, float* y, CpuPath path) {
  for (int64_t i = 0; i < size; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void AddTo(const float* x, int64_t size, float* y, CpuPath path) {
  for (int64_t i = 0; i < size; ++i) y[i] += x[i];
}

void Softmax(const float* x, int64_t size, float* y, CpuPath path) {
  float largest = x[0];
  for (int64_t i = 1; i < size; ++i) largest = std::max(largest, x[i]);
  float sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += y[i] = std::exp(x[i] - largest);
  for (int64_t i = 0; i < size; ++i) y[i] /= sum;
}

}  // namespace waferline::kernels
