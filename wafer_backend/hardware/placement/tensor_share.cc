#include "wafer_backend/hardware/placement/tensor_share.h"

#include <algorithm>
#include <cmath>

namespace waferline::placement {

timing::LayerKind ShareOf(const timing::ModelSizes& shape, const timing::LayerKind& kind,
                          int tensor) {
  if (tensor == 1) return kind;
  const auto largest = [tensor](int64_t count) {
    const double n = static_cast<double>(count);
    return std::ceil(n / tensor) / n;
  };
  const double heads = largest(shape.heads), width = 1.0 / tensor;
  timing::LayerKind share = kind;
  share.attention_parameters *= heads;
  share.ffn_parameters *= width;
  share.attention_macs_per_position *= heads;
  for (size_t i = 0; i < share.matrices.size(); ++i) {
    timing::LayerKind::Matrix& matrix = share.matrices[i];
    (matrix.cut_in ? matrix.in : matrix.out) *= i < share.attention_matrices ? heads : width;
  }
  timing::CountMatrices(&share);
  share.heads *= heads;
  if (!shape.latent.has_value()) share.kv_values_per_position *= largest(shape.kv_heads);
  return share;
}

double SumOverWafersSeconds(const silicon::WaferSpec& wafer, int tensor, double bytes,
                            double io_share) {
  if (tensor == 1) return 0;
  const double latency = wafer.wafer_to_wafer_seconds.value;
  const double sending = bytes / (wafer.io_bytes_per_second.value * io_share);
  const double others = tensor - 1;
  return std::min(latency + others * sending, 2 * (latency + others / tensor * sending));
}

}  // namespace waferline::placement
