// StableLM (Bellagente et al.: "Stable LM 2 1.6B Technical Report", 2024): llama's layer with layer
// norms, and a quarter of each head turns. The 12B model has norms of each query and key head with
// weights of its own, and both branches read the same norm.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadStablelm(KeyReader& keys, ModelShape& shape) {
  // Says true in files of both sorts: the second norm does not.
  WL_RETURN_IF_ERROR(keys.BoolOr("use_parallel_residual", true).status());
  shape.parallel_branches = !keys.HasTensor("blk.0.ffn_norm.weight");
  return ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox, .norm = NormKind::kLayer}, shape);
}

absl::Status BindStablelm(TensorBinder& tensors, const ModelShape& shape, int64_t,
                          LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("attn_norm", shape.hidden, &layer.attention_norm));
  if (!shape.parallel_branches) {
    WL_RETURN_IF_ERROR(tensors.Norm("ffn_norm", shape.hidden, &layer.ffn_norm));
  }
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  if (tensors.Has("attn_q_norm.weight")) {
    const int64_t dim = shape.head_dim;
    WL_RETURN_IF_ERROR(tensors.HeadNorms("attn_q_norm", shape.heads, dim, &layer.q_norm));
    WL_RETURN_IF_ERROR(tensors.HeadNorms("attn_k_norm", shape.kv_heads, dim, &layer.k_norm));
  }
  return BindGatedFeedForward(tensors, shape, layer);
}

}  // namespace

const Family kStablelm = {"stablelm", ReadStablelm, BindStablelm};

}  // namespace waferline::model
