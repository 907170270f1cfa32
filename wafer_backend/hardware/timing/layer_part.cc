#include "wafer_backend/hardware/timing/layer_part.h"

#include "wafer_backend/hardware/timing/kernel_formulas.h"

namespace waferline::timing {

LayerKind PartOf(const LayerKind& whole, LayerPart part) {
  if (part == LayerPart::kWhole) return whole;
  const auto cut = whole.matrices.begin() + static_cast<std::ptrdiff_t>(whole.attention_matrices);
  LayerKind half = whole;
  if (part == LayerPart::kAttention) {
    half.matrices.assign(whole.matrices.begin(), cut);
    half.ffn_parameters = half.expert_parameters = 0;
    half.expert_share = 1;
    half.expert_chances.clear();
    half.allreduces = whole.attention_allreduces;
    half.scalars = kDenseLayerAttentionScalars;
  } else {
    half.matrices.assign(cut, whole.matrices.end());
    half.attention_matrices = 0;
    half.attention_parameters = 0;
    half.kv_values_per_position = half.attention_macs_per_position = 0;
    half.window = 0;
    half.attention_allreduces = 0;
    half.allreduces = whole.allreduces - whole.attention_allreduces;
    half.scalars = whole.scalars - kDenseLayerAttentionScalars;
  }
  half.start_share = whole.start_share * half.allreduces / whole.allreduces;
  CountMatrices(&half);
  return half;
}

}  // namespace waferline::timing
