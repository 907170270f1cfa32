#include "wafer_backend/compute/kernels/activations.h"

#include <algorithm>
#include <cmath>

namespace waferline::kernels {

void QuantiseRow(const float* x, int64_t cols, const QuantisedRow& row) {
  for (int64_t block = 0; block < cols / kActivationBlock; ++block) {
    const float* in = x + block * kActivationBlock;
    float largest = 0;
    for (int64_t i = 0; i < kActivationBlock; ++i) largest = std::max(largest, std::fabs(in[i]));
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    row.scale[block] = largest / 127.0f;
    for (int64_t half = 0; half < 2; ++half) {
      int32_t sum = 0;
      for (int64_t i = half * 16; i < half * 16 + 16; ++i) {
        const auto q = static_cast<int8_t>(std::lrint(in[i] * inverse));
        row.q[block * kActivationBlock + i] = q;
        sum += q;
      }
      row.sums[block * 2 + half] = sum;
    }
  }
}

}  // namespace waferline::kernels
