#include "wafer_backend/compute/model/families/parts.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::model {

absl::Status ReadSizes(KeyReader& keys, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(shape.layers, keys.Size("block_count"));
  const auto tensors = static_cast<int64_t>(keys.file().tensors().size());
  if (shape.layers > tensors) {
    return absl::InvalidArgumentError(absl::StrCat(keys.Key("block_count"), " is ", shape.layers,
                                                   ", but the file has only ", tensors,
                                                   " tensors"));
  }
  WL_ASSIGN_OR_RETURN(shape.hidden, keys.Size("embedding_length"));
  WL_ASSIGN_OR_RETURN(shape.ffn, keys.Size("feed_forward_length"));
  WL_ASSIGN_OR_RETURN(shape.context, keys.Size("context_length"));
  return absl::OkStatus();
}

namespace {

absl::Status ReadHeads(KeyReader& keys, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(shape.heads, keys.Size("attention.head_count"));
  WL_ASSIGN_OR_RETURN(shape.kv_heads, keys.SizeOr("attention.head_count_kv", shape.heads));
  if (shape.heads % shape.kv_heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.Key("attention.head_count"), " (", shape.heads, ") is not a multiple of ",
                     keys.Key("attention.head_count_kv"), " (", shape.kv_heads, ")"));
  }
  if (!keys.Has("attention.key_length") && shape.hidden % shape.heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.Key("embedding_length"), " (", shape.hidden, ") is not a multiple of ",
                     keys.Key("attention.head_count"), " (", shape.heads, ") and there is no ",
                     keys.Key("attention.key_length")));
  }
  WL_ASSIGN_OR_RETURN(shape.head_dim,
                      keys.SizeOr("attention.key_length", shape.hidden / shape.heads));
  shape.attention_scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
  WL_ASSIGN_OR_RETURN(const int64_t values, keys.SizeOr("attention.value_length", shape.head_dim));
  if (values == shape.head_dim) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(keys.Key("attention.value_length"), " is ", values,
                                               ", but only values as wide as keys (",
                                               shape.head_dim, ") are supported"));
}

}  // namespace

absl::Status ReadCommon(KeyReader& keys, const CommonParts& parts, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadSizes(keys, shape));
  WL_RETURN_IF_ERROR(ReadHeads(keys, shape));
  shape.norm = parts.norm;
  WL_ASSIGN_OR_RETURN(shape.norm_epsilon, keys.Positive(parts.norm == NormKind::kRms
                                                            ? "attention.layer_norm_rms_epsilon"
                                                            : "attention.layer_norm_epsilon"));
  WL_ASSIGN_OR_RETURN(Rotary rotary, ReadRotary(keys, parts.rotary, shape));
  shape.rotaries = {std::move(rotary)};
  shape.plan.assign(shape.layers, LayerPlan());
  return absl::OkStatus();
}

absl::Status ReadWindows(KeyReader& keys, const WindowDefaults& defaults, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(const int64_t window,
                      keys.CountOr("attention.sliding_window", defaults.window));
  int64_t global_every = defaults.global_every;
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  std::vector<bool> windowed(shape.layers);
  if (keys.Has(kPattern) && keys.IsArray(kPattern)) {
    WL_ASSIGN_OR_RETURN(windowed, keys.Bools(kPattern, shape.layers));
  } else {
    WL_ASSIGN_OR_RETURN(global_every, keys.SizeOr(kPattern, global_every));
    for (int64_t i = 0; i < shape.layers; ++i) {
      windowed[i] = global_every == 0 || (i + 1) % global_every != 0;
    }
  }
  for (int64_t i = 0; i < shape.layers; ++i) shape.plan[i].window = windowed[i] ? window : 0;
  return absl::OkStatus();
}

void TurnWindowsBy(Rotary rotary, ModelShape& shape) {
  for (LayerPlan& layer : shape.plan) {
    if (layer.window > 0) layer.rotary = static_cast<int>(shape.rotaries.size());
  }
  shape.rotaries.push_back(std::move(rotary));
}

absl::Status BindAttention(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer,
                           TensorBinder::Bias qkv_bias) {
  const int64_t hidden = shape.hidden, q = shape.q_width(), kv = shape.kv_width();
  if (tensors.Has("attn_qkv.weight")) {
    const TensorBinder::Part parts[] = {{q, &layer.q}, {kv, &layer.k}, {kv, &layer.v}};
    WL_RETURN_IF_ERROR(tensors.Fused("attn_qkv", hidden, parts, qkv_bias));
  } else {
    WL_RETURN_IF_ERROR(tensors.Linear("attn_q", q, hidden, &layer.q, qkv_bias));
    WL_RETURN_IF_ERROR(tensors.Linear("attn_k", kv, hidden, &layer.k, qkv_bias));
    WL_RETURN_IF_ERROR(tensors.Linear("attn_v", kv, hidden, &layer.v, qkv_bias));
  }
  return tensors.Linear("attn_output", hidden, q, &layer.output);
}

absl::Status BindGatedFeedForward(TensorBinder& tensors, const ModelShape& shape,
                                  LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_gate", shape.ffn, shape.hidden, &layer.gate));
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_up", shape.ffn, shape.hidden, &layer.up));
  return tensors.Linear("ffn_down", shape.hidden, shape.ffn, &layer.down);
}

absl::Status BindFusedFeedForward(TensorBinder& tensors, const ModelShape& shape,
                                  LayerWeights& layer) {
  const TensorBinder::Part parts[] = {{shape.ffn, &layer.gate}, {shape.ffn, &layer.up}};
  WL_RETURN_IF_ERROR(tensors.Fused("ffn_up", shape.hidden, parts, TensorBinder::Bias::kIfThere));
  return tensors.Linear("ffn_down", shape.hidden, shape.ffn, &layer.down);
}

absl::Status BindPreNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("attn_norm", shape.hidden, &layer.attention_norm));
  return tensors.Norm("ffn_norm", shape.hidden, &layer.ffn_norm);
}

absl::Status BindPostNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("post_attention_norm", shape.hidden, &layer.attention_post_norm));
  return tensors.Norm("post_ffw_norm", shape.hidden, &layer.ffn_post_norm);
}

absl::Status BindHeadNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("attn_q_norm", shape.head_dim, &layer.q_norm));
  return tensors.Norm("attn_k_norm", shape.head_dim, &layer.k_norm);
}

}  // namespace waferline::model
