#include "wafer_backend/compute/shard/row_norm.h"

#include "wafer_backend/compute/kernels/rows.h"

namespace waferline::shard {

void NormRow(const model::ModelShape& shape, const PackedNorm& norm, int64_t width, const float* x,
             float* y) {
  const auto epsilon = static_cast<float>(shape.norm_epsilon);
  const bool own_weights = static_cast<int64_t>(norm.weight.size()) > norm.size;
  for (int64_t at = 0; at < width; at += norm.size) {
    const float* const weight = norm.weight.data() + (own_weights ? at : 0);
    const float* const bias = norm.bias.empty() ? nullptr : norm.bias.data();
    if (shape.norm == model::NormKind::kLayer) {
      kernels::LayerNorm({weight, bias, epsilon}, x + at, norm.size, y + at);
      continue;
    }
    kernels::RmsNorm(x + at, weight, epsilon, norm.size, y + at);
    if (bias != nullptr) kernels::AddTo(bias, norm.size, y + at);
  }
}

}  // namespace waferline::shard
