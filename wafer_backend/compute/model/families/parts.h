// The parts that families are made of: what most of them read and bind alike. Errors as in
// key_reader.h and tensor_binder.h.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/model/families/family.h"

namespace waferline::model {

// Sizes, heads, the norm's epsilon; scores divided by the root of the head size; one rotary
// embedding of all layers.
absl::Status ReadCommon(KeyReader& keys, RopeKind kind, ModelShape& shape);

// If there is a sliding window (attention.sliding_window), all layers have it but every
// `global_every`-th (0: without exception), unless attention.sliding_window_pattern says otherwise:
// a number for `global_every`, or a flag a layer.
absl::Status ReadWindows(KeyReader& keys, int64_t global_every, ModelShape& shape);

// attn_q, attn_k, attn_v, attn_output.
absl::Status BindAttention(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer,
                           TensorBinder::Bias qkv_bias = TensorBinder::Bias::kIfThere);

// ffn_gate, ffn_up, ffn_down.
absl::Status BindGatedFeedForward(TensorBinder& tensors, const ModelShape& shape,
                                  LayerWeights& layer);

// attn_norm, ffn_norm: of what attention and the feed-forward part read.
absl::Status BindPreNorms(TensorBinder& tensors, const ModelShape& shape, LayerWeights& layer);

}  // namespace waferline::model
