// qwen2 (Yang et al.: "Qwen2 Technical Report", 2024; also Qwen2.5): llama's layer with biases of
// queries, keys and values. qwen3 (Yang et al.: "Qwen3 Technical Report", 2025): norms of each
// query and key head instead.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadQwen(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, RopeKind::kNeox, shape));
  return ReadWindows(keys, 0, shape);
}

absl::Status BindQwen2(TensorBinder& tensors, const ModelShape& shape, int64_t,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer, TensorBinder::Bias::kRequired));
  return BindGatedFeedForward(tensors, shape, layer);
}

absl::Status BindQwen3(TensorBinder& tensors, const ModelShape& shape, int64_t,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  WL_RETURN_IF_ERROR(tensors.Norm("attn_q_norm", shape.head_dim, &layer.q_norm));
  WL_RETURN_IF_ERROR(tensors.Norm("attn_k_norm", shape.head_dim, &layer.k_norm));
  return BindGatedFeedForward(tensors, shape, layer);
}

}  // namespace

const Family kQwen2 = {"qwen2", ReadQwen, BindQwen2};
const Family kQwen3 = {"qwen3", ReadQwen, BindQwen3};

}  // namespace waferline::model
