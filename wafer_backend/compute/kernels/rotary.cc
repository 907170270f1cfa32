#include "wafer_backend/compute/kernels/rotary.h"

#include <cmath>

#include "wafer_backend/base/check.h"

namespace waferline::kernels {

std::vector<double> RotaryFrequencies(int64_t dims, double base, std::span<const float> factors) {
  WL_CHECK(dims > 0 && dims % 2 == 0);
  WL_CHECK(factors.empty() || static_cast<int64_t>(factors.size()) == dims / 2);
  std::vector<double> frequencies(static_cast<size_t>(dims / 2));
  for (size_t p = 0; p < frequencies.size(); ++p) {
    const double exponent = -2.0 * static_cast<double>(p) / static_cast<double>(dims);
    frequencies[p] = std::pow(base, exponent) / (factors.empty() ? 1.0 : factors[p]);
  }
  return frequencies;
}

void RotaryAngles(std::span<const double> frequencies, std::span<const int32_t> positions,
                  float* cos_sin) {
  for (const int32_t position : positions) {
    for (const double frequency : frequencies) {
      const double angle = position * frequency;
      *cos_sin++ = static_cast<float>(std::cos(angle));
      *cos_sin++ = static_cast<float>(std::sin(angle));
    }
  }
}

void ApplyRotary(RotaryKind kind, const float* cos_sin, int64_t heads, int64_t head_dim,
                 int64_t dims, float* row, CpuPath path) {
  const int64_t step = kind == RotaryKind::kNorm ? 2 : 1;          // from pair to pair
  const int64_t other = kind == RotaryKind::kNorm ? 1 : dims / 2;  // from first to second
  for (int64_t head = 0; head < heads; ++head) {
    float* x = row + head * head_dim;
    for (int64_t p = 0; p < dims / 2; ++p) {
      const float cos = cos_sin[2 * p];
      const float sin = cos_sin[2 * p + 1];
      const float a = x[p * step];
      const float b = x[p * step + other];
      x[p * step] = a * cos - b * sin;
      x[p * step + other] = a * sin + b * cos;
    }
  }
}

}  // namespace waferline::kernels
