// The parts that families are made of: what most of them read and bind alike. Errors as in
// key_reader.h and tensor_binder.h.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/model/families/family.h"

namespace waferline::model {

// Sizes, heads, the norm's epsilon; scores divided by the root of the head size; one rotary
// embedding of all layers, as ReadRotary finds it.
struct CommonParts {
  kernels::RotaryKind rotary = kernels::RotaryKind::kNorm;
  NormKind norm = NormKind::kRms;
};
absl::Status ReadCommon(KeyReader& keys, const CommonParts& parts, ModelShape& shape);

// The first part of it, for families whose heads are of another kind.
absl::Status ReadSizes(KeyReader& keys, ModelShape& shape);

// Base, dimensions and scaling of the keys rope.*; the sizes of `shape` are read already. LongRoPE
// has a set of factors for contexts within the original one and another for longer ones: the
// model's context chooses, so that all positions turn alike.
absl::StatusOr<Rotary> ReadRotary(KeyReader& keys, kernels::RotaryKind kind,
                                  const ModelShape& shape);

// If there is a sliding window (attention.sliding_window, or the family's own), all layers have it
// but every `global_every`-th (0: without exception), unless attention.sliding_window_pattern says
// otherwise: a number for `global_every`, or a flag a layer.
struct WindowDefaults {
  int64_t window = 0;
  int64_t global_every = 0;
};
absl::Status ReadWindows(KeyReader& keys, const WindowDefaults& defaults, ModelShape& shape);

// Layers with a sliding window turn by `rotary` instead of the first one.
void TurnWindowsBy(Rotary rotary, ModelShape& shape);

// attn_q, attn_k, attn_v, or attn_qkv for all three; attn_output.
absl::Status BindAttention(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer,
                           TensorBinder::Bias qkv_bias = TensorBinder::Bias::kIfThere);

// ffn_gate, ffn_up, ffn_down.
absl::Status BindGatedFeedForward(TensorBinder& tensors, const ModelShape& shape,
                                  LayerWeights& layer);
// ffn_up, of which the first half is the gate, and ffn_down.
absl::Status BindFusedFeedForward(TensorBinder& tensors, const ModelShape& shape,
                                  LayerWeights& layer);

// attn_norm, ffn_norm: of what attention and the feed-forward part read.
absl::Status BindPreNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer);
// post_attention_norm, post_ffw_norm: of what they add.
absl::Status BindPostNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer);
// attn_q_norm, attn_k_norm: of each head, with the same weights for all.
absl::Status BindHeadNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer);

}  // namespace waferline::model
