// The parts of families with experts: what most of them read and bind alike. Errors as in
// key_reader.h and tensor_binder.h.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/model/families/family.h"

namespace waferline::model {

// What a family fixes where its files do not say.
struct ExpertDefaults {
  kernels::Router::Score score = kernels::Router::Score::kSoftmax;
  bool normalise = false;
};

// After ReadCommon: sizes of the experts, what the router does with their logits, which layers have
// them (all but the leading dense ones). Nothing for a file without experts.
absl::Status ReadExperts(KeyReader& keys, const ExpertDefaults& defaults, ModelShape& shape);

// The feed-forward part of layer `index`: ffn_gate, ffn_up, ffn_down, or where the plan has experts
// ffn_gate_inp, exp_probs_b, ffn_gate_exps, ffn_up_exps, ffn_down_exps, and ffn_gate_shexp,
// ffn_up_shexp, ffn_down_shexp for what all tokens pass.
absl::Status BindFeedForward(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                             LayerWeights& layer);

}  // namespace waferline::model
