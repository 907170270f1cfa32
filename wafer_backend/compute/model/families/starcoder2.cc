// StarCoder 2 (Lozhkov et al.: "StarCoder 2 and The Stack v2", 2024): layer norms, biases
// everywhere, a feed-forward part without a gate; a sliding window in all layers, if there is one.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadStarcoder2(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(
      ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox, .norm = NormKind::kLayer}, shape));
  shape.activation = kernels::Activation::kGelu;
  shape.gated = false;
  return ReadWindows(keys, {}, shape);
}

absl::Status BindStarcoder2(TensorBinder& tensors, const ModelShape& shape, int64_t,
                            LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_up", shape.ffn, shape.hidden, &layer.up));
  return tensors.Linear("ffn_down", shape.hidden, shape.ffn, &layer.down);
}

}  // namespace

const Family kStarcoder2 = {"starcoder2", ReadStarcoder2, BindStarcoder2};

}  // namespace waferline::model
