// gpt-oss (OpenAI: "gpt-oss-120b & gpt-oss-20b Model Card", 2025, and its published model code):
// experts with biases and a clamped gate, chosen by biased logits; every second layer, from the
// first on, sees a window; each head has a sink in its softmax.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/expert_parts.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadGptOss(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox}, shape));
  WL_RETURN_IF_ERROR(ReadWindows(keys, {.global_every = 2}, shape));
  WL_RETURN_IF_ERROR(ReadExperts(keys, {.normalise = true}, shape));
  shape.experts.activation = kernels::Activation::kClampedSilu;
  // The ends of the range in which YaRN mixes are not rounded here (the published config says
  // truncate: false).
  for (Rotary& rotary : shape.rotaries) {
    if (rotary.yarn) rotary.yarn->whole_pairs = false;
  }
  return absl::OkStatus();
}

absl::Status BindGptOss(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                        LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("attn_norm", shape.hidden, &layer.attention_norm));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer, TensorBinder::Bias::kRequired));
  WL_RETURN_IF_ERROR(tensors.Vector("attn_sinks.weight", shape.heads, &layer.sinks));
  // Converters name the norm before the experts by where it stands.
  WL_RETURN_IF_ERROR(tensors.Norm("post_attention_norm", shape.hidden, &layer.ffn_norm));
  return BindFeedForward(tensors, shape, index, layer);
}

}  // namespace

const Family kGptOss = {"gpt-oss", ReadGptOss, BindGptOss};

}  // namespace waferline::model
