// glm4moe (GLM-4.5 Team: "GLM-4.5: Agentic, Reasoning, and Coding Foundation Models", 2025; also
// GLM-4.6 and 4.7): DeepSeek-V3's experts behind some dense layers, half of each head turns, norms
// of heads in the larger models. The last layers of a file predict further tokens; they are not
// computed.
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/expert_parts.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadGlm4Moe(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox}, shape));
  WL_ASSIGN_OR_RETURN(const int64_t further, keys.CountOr("nextn_predict_layers", 0));
  if (further >= shape.layers) {
    return absl::InvalidArgumentError(absl::StrCat(keys.Key("nextn_predict_layers"), " is ",
                                                   further, ", but ", keys.Key("block_count"),
                                                   " is only ", shape.layers));
  }
  shape.layers -= further;
  shape.plan.resize(shape.layers);
  return ReadExperts(keys, {.score = kernels::Router::Score::kSigmoid, .normalise = true}, shape);
}

absl::Status BindGlm4Moe(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                         LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("attn_norm", shape.hidden, &layer.attention_norm));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  if (tensors.Has("attn_q_norm.weight")) {
    WL_RETURN_IF_ERROR(BindHeadNorms(tensors, shape, layer));
  }
  WL_RETURN_IF_ERROR(tensors.Norm("post_attention_norm", shape.hidden, &layer.ffn_norm));
  if (index + 1 == shape.layers) tensors.LeaveOutLayersAfter(index);
  return BindFeedForward(tensors, shape, index, layer);
}

}  // namespace

const Family kGlm4Moe = {"glm4moe", ReadGlm4Moe, BindGlm4Moe};

}  // namespace waferline::model
