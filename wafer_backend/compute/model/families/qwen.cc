// qwen2 (Yang et al.: "Qwen2 Technical Report", 2024; also Qwen2.5): llama's layer with biases of
// queries, keys and values. qwen3 (Yang et al.: "Qwen3 Technical Report", 2025): norms of each
// query and key head instead. qwen2moe and qwen3moe: the same with experts, whose weights qwen2moe
// does not normalise; it has one that all tokens pass, as far as a gate says.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/expert_parts.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadQwen(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox}, shape));
  return ReadWindows(keys, {}, shape);
}

absl::Status ReadQwen2Moe(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadQwen(keys, shape));
  WL_RETURN_IF_ERROR(ReadExperts(keys, {}, shape));
  // Files of the first model name neither width: its experts share the width of a dense layer.
  ExpertsPlan& experts = shape.experts;
  if (!keys.Has("expert_feed_forward_length")) experts.ffn = shape.ffn / experts.router.chosen;
  if (experts.shared_ffn == 0) experts.shared_ffn = shape.ffn;
  return absl::OkStatus();
}

absl::Status ReadQwen3Moe(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadQwen(keys, shape));
  return ReadExperts(keys, {.normalise = true}, shape);
}

absl::Status BindQwen2(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer, TensorBinder::Bias::kRequired));
  if (shape.plan[index].experts) {
    WL_RETURN_IF_ERROR(tensors.Vector("ffn_gate_inp_shexp.weight", shape.hidden,
                                      &layer.experts.shared_gate.matrix));
  }
  return BindFeedForward(tensors, shape, index, layer);
}

absl::Status BindQwen3(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindHeadNorms(tensors, shape, layer));
  return BindFeedForward(tensors, shape, index, layer);
}

}  // namespace

const Family kQwen2 = {"qwen2", ReadQwen, BindQwen2};
const Family kQwen3 = {"qwen3", ReadQwen, BindQwen3};
const Family kQwen2Moe = {"qwen2moe", ReadQwen2Moe, BindQwen2};
const Family kQwen3Moe = {"qwen3moe", ReadQwen3Moe, BindQwen3};

}  // namespace waferline::model
