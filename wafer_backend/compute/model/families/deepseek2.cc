// deepseek2: latent attention and experts (DeepSeek-AI: "DeepSeek-V2", 2024, "DeepSeek-V3", 2024;
// R1; Kimi Team: "Kimi K2", 2025). V2 chooses by softmax and ranks groups of experts by their best
// one, V3 by biased sigmoids and the best two; files say which.
//
// The matrices that lead up from the latent are one in older files (attn_kv_b), two in newer ones
// (attn_k_b, transposed, and attn_v_b), which also give the lengths of heads as attention sees them
// and those of the model under key_length_mla and value_length_mla.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/expert_parts.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadLatent(KeyReader& keys, ModelShape& shape) {
  LatentPlan& latent = shape.latent;
  WL_ASSIGN_OR_RETURN(shape.heads, keys.Size("attention.head_count"));
  WL_ASSIGN_OR_RETURN(latent.kv_rank, keys.Size("attention.kv_lora_rank"));
  WL_ASSIGN_OR_RETURN(latent.query_rank, keys.CountOr("attention.q_lora_rank", 0));
  WL_ASSIGN_OR_RETURN(latent.rotary_dim, keys.Size("rope.dimension_count"));
  WL_ASSIGN_OR_RETURN(const int64_t key, keys.Size("attention.key_length"));
  WL_ASSIGN_OR_RETURN(const int64_t value, keys.Size("attention.value_length"));
  WL_ASSIGN_OR_RETURN(const int64_t head, keys.SizeOr("attention.key_length_mla", key));
  WL_ASSIGN_OR_RETURN(latent.value_dim, keys.SizeOr("attention.value_length_mla", value));
  if (head <= latent.rotary_dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("the head size is ", head, " (", keys.Key("attention.key_length"), " or ",
                     keys.Key("attention.key_length_mla"), "), but must be more than ",
                     keys.Key("rope.dimension_count"), ", ", latent.rotary_dim));
  }
  latent.plain_dim = head - latent.rotary_dim;
  keys.Has("attention.head_count_kv");  // heads, or 1: what is stored is the same
  shape.kv_heads = 1;
  shape.head_dim = latent.rotary_dim + latent.kv_rank;
  shape.value_dim = latent.kv_rank;
  shape.attention_scale = 1 / std::sqrt(static_cast<double>(head));
  return absl::OkStatus();
}

// YaRN's magnitude goes to the scores instead of the angles, as far as files name a multiplier;
// they hold a tenth of it.
absl::Status ReadDeepSeekRotary(KeyReader& keys, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(Rotary rotary, ReadRotary(keys, kernels::RotaryKind::kNorm, shape));
  const bool multiplied = keys.Has("rope.scaling.yarn_log_multiplier");
  if (rotary.yarn && multiplied) {
    WL_ASSIGN_OR_RETURN(const double tenth, keys.Positive("rope.scaling.yarn_log_multiplier"));
    const double magnitude = kernels::YarnMagnitude(rotary.yarn->factor, 10 * tenth);
    rotary.magnitude = 1;
    shape.attention_scale *= magnitude * magnitude;
  }
  shape.rotaries = {std::move(rotary)};
  return absl::OkStatus();
}

absl::Status ReadDeepSeek(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadSizes(keys, shape));
  WL_RETURN_IF_ERROR(ReadLatent(keys, shape));
  WL_ASSIGN_OR_RETURN(shape.norm_epsilon, keys.Positive("attention.layer_norm_rms_epsilon"));
  WL_RETURN_IF_ERROR(ReadDeepSeekRotary(keys, shape));
  shape.plan.assign(shape.layers, LayerPlan());
  return ReadExperts(keys, {}, shape);
}

absl::Status BindLatent(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer) {
  const LatentPlan& plan = shape.latent;
  LatentWeights& latent = layer.latent;
  const int64_t q_width = shape.heads * (plan.plain_dim + plan.rotary_dim);
  if (plan.query_rank > 0) {
    WL_RETURN_IF_ERROR(tensors.Linear("attn_q_a", plan.query_rank, shape.hidden, &latent.q_down));
    WL_RETURN_IF_ERROR(tensors.Norm("attn_q_a_norm", plan.query_rank, &latent.q_norm));
    WL_RETURN_IF_ERROR(tensors.Linear("attn_q_b", q_width, plan.query_rank, &layer.q));
  } else {
    WL_RETURN_IF_ERROR(tensors.Linear("attn_q", q_width, shape.hidden, &layer.q));
  }
  WL_RETURN_IF_ERROR(tensors.Linear("attn_kv_a_mqa", plan.kv_rank + plan.rotary_dim, shape.hidden,
                                    &latent.kv_down));
  WL_RETURN_IF_ERROR(tensors.Norm("attn_kv_a_norm", plan.kv_rank, &latent.kv_norm));
  if (tensors.Has("attn_kv_b.weight")) {
    WL_RETURN_IF_ERROR(tensors.Linear("attn_kv_b", shape.heads * (plan.plain_dim + plan.value_dim),
                                      plan.kv_rank, &latent.kv_up));
  } else {
    WL_RETURN_IF_ERROR(
        tensors.Stacked("attn_k_b", {shape.heads, plan.kv_rank, plan.plain_dim}, &latent.k_up));
    WL_RETURN_IF_ERROR(
        tensors.Stacked("attn_v_b", {shape.heads, plan.value_dim, plan.kv_rank}, &latent.v_up));
  }
  return tensors.Linear("attn_output", shape.hidden, shape.heads * plan.value_dim, &layer.output);
}

absl::Status BindDeepSeek(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                          LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindLatent(tensors, shape, layer));
  return BindFeedForward(tensors, shape, index, layer);
}

}  // namespace

const Family kDeepSeek2 = {"deepseek2", ReadDeepSeek, BindDeepSeek};

}  // namespace waferline::model
