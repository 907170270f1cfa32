#include "wafer_backend/compute/model/families/parts.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::model {
namespace {

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

absl::Status ReadYarn(KeyReader& keys, Rotary& rotary) {
  kernels::YarnScaling yarn;
  WL_ASSIGN_OR_RETURN(yarn.factor, keys.Positive("rope.scaling.factor"));
  WL_ASSIGN_OR_RETURN(const int64_t context, keys.Size("rope.scaling.original_context_length"));
  yarn.original_context = static_cast<double>(context);
  WL_ASSIGN_OR_RETURN(yarn.extrapolation, keys.PositiveOr("rope.scaling.yarn_ext_factor", 1));
  WL_ASSIGN_OR_RETURN(yarn.beta_fast, keys.PositiveOr("rope.scaling.yarn_beta_fast", 32));
  WL_ASSIGN_OR_RETURN(yarn.beta_slow, keys.PositiveOr("rope.scaling.yarn_beta_slow", 1));
  WL_ASSIGN_OR_RETURN(const double own, keys.PositiveOr("rope.scaling.attn_factor", 1));
  WL_ASSIGN_OR_RETURN(const double yarns, keys.PositiveOr("rope.scaling.yarn_attn_factor", 1));
  rotary.magnitude = own * yarns * kernels::YarnMagnitude(yarn.factor);
  rotary.yarn = yarn;
  return absl::OkStatus();
}

absl::Status ReadScaling(KeyReader& keys, Rotary& rotary) {
  // Old files have rope.scale_linear and no type.
  WL_ASSIGN_OR_RETURN(const double old, keys.PositiveOr("rope.scale_linear", 1));
  const bool has_factor = keys.Has("rope.scaling.factor");
  WL_ASSIGN_OR_RETURN(const std::string_view type,
                      keys.StringOr("rope.scaling.type", has_factor ? "linear" : "none"));
  if (type == "yarn") return ReadYarn(keys, rotary);
  keys.Has("rope.scaling.original_context_length");  // no linear scaling depends on it
  if (type == "linear") {
    WL_ASSIGN_OR_RETURN(rotary.linear_factor, keys.PositiveOr("rope.scaling.factor", 1));
    return absl::OkStatus();
  }
  rotary.linear_factor = old;
  if (type == "none") return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("rotary scaling ", Quoted(type), " (", keys.Key("rope.scaling.type"),
                   ") is not supported; linear, yarn and the factors of rope_freqs.weight are"));
}

absl::StatusOr<Rotary> ReadRotary(KeyReader& keys, RopeKind kind, int64_t head_dim) {
  Rotary rotary{.kind = kind};
  WL_ASSIGN_OR_RETURN(rotary.dims, keys.SizeOr("rope.dimension_count", head_dim));
  if (rotary.dims > head_dim || rotary.dims % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.Key("rope.dimension_count"), " is ", rotary.dims,
                     ", expected an even number up to the head size of ", head_dim));
  }
  WL_ASSIGN_OR_RETURN(rotary.base, keys.PositiveOr("rope.freq_base", 10000));
  WL_RETURN_IF_ERROR(ReadScaling(keys, rotary));
  // Llama 3's scaling, as converters store it.
  constexpr std::string_view kFactors = "rope_freqs.weight";
  if (keys.HasTensor(kFactors)) {
    WL_ASSIGN_OR_RETURN(rotary.factors, keys.PositiveTensor(kFactors, rotary.dims / 2));
  }
  return rotary;
}

}  // namespace

absl::Status ReadCommon(KeyReader& keys, RopeKind kind, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadSizes(keys, shape));
  WL_RETURN_IF_ERROR(ReadHeads(keys, shape));
  WL_ASSIGN_OR_RETURN(shape.norm_epsilon, keys.Positive("attention.layer_norm_rms_epsilon"));
  WL_ASSIGN_OR_RETURN(Rotary rotary, ReadRotary(keys, kind, shape.head_dim));
  shape.rotaries = {std::move(rotary)};
  shape.plan.assign(shape.layers, LayerPlan());
  return absl::OkStatus();
}

absl::Status ReadWindows(KeyReader& keys, int64_t global_every, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(const int64_t window, keys.SizeOr("attention.sliding_window", 0));
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

absl::Status BindAttention(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer,
                           TensorBinder::Bias qkv_bias) {
  const int64_t hidden = shape.hidden, kv = shape.kv_width();
  WL_RETURN_IF_ERROR(tensors.Linear("attn_q", shape.q_width(), hidden, &layer.q, qkv_bias));
  WL_RETURN_IF_ERROR(tensors.Linear("attn_k", kv, hidden, &layer.k, qkv_bias));
  WL_RETURN_IF_ERROR(tensors.Linear("attn_v", kv, hidden, &layer.v, qkv_bias));
  return tensors.Linear("attn_output", hidden, shape.q_width(), &layer.output);
}

absl::Status BindGatedFeedForward(TensorBinder& tensors, const ModelShape& shape,
                                  LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_gate", shape.ffn, shape.hidden, &layer.gate));
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_up", shape.ffn, shape.hidden, &layer.up));
  return tensors.Linear("ffn_down", shape.hidden, shape.ffn, &layer.down);
}

absl::Status BindPreNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer) {
  WL_RETURN_IF_ERROR(tensors.Norm("attn_norm", shape.hidden, &layer.attention_norm));
  return tensors.Norm("ffn_norm", shape.hidden, &layer.ffn_norm);
}

}  // namespace waferline::model
