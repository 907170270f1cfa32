// What random models are made of: the parts that each family's layers have, and the sizes that
// their keys and tensors share.
#pragma once

#include <map>
#include <string>

#include "tests/support/random_model.h"

namespace waferline::test {

enum class HeadNorms { kNone, kSame, kOwn, kWholeRow };

// Which tensors the layers of an architecture have, and how they differ from llama's.
struct LayerParts {
  bool layer_norms = false;  // with biases, instead of RMS norms
  bool pre_norms = true;
  bool post_norms = false;
  HeadNorms head_norms = HeadNorms::kNone;
  bool fused_qkv = false;
  bool qkv_biases = false;
  bool gate = true;
  bool fused_gate = false;
  bool windows = false;                    // the keys may name a sliding window
  bool other_biases = false;               // of the attention's output and the feed-forward part
  bool ffn_norm_behind_attention = false;  // its name
  bool sinks = false;
  bool latent = false;
  bool experts = false;
  bool shared_expert = false;
  bool shared_gate = false;
  bool selection_bias = false;
  bool expert_biases = false;
};

const std::map<std::string, LayerParts>& FamilyParts();

struct RandomModelPlan {
  explicit RandomModelPlan(const RandomModelSpec& of)
      : spec(of), parts(FamilyParts().at(of.architecture)) {}

  int Experts() const { return spec.experts > 0 ? spec.experts : parts.experts ? 8 : 0; }
  bool HasExperts(int layer) const {
    if (spec.architecture == "llama4" && layer % 2 == 0) return false;
    return Experts() > 0 && layer >= spec.dense_layers;
  }
  // Another width than the experts', where files name it.
  int SharedFfn() const {
    const bool same =
        spec.architecture == "glm4moe" || parts.latent || spec.architecture == "llama4";
    return same ? spec.expert_ffn : 2 * spec.expert_ffn;
  }
  int RotaryDims() const {
    if (parts.latent) return kTurning;
    return spec.rotary_dims > 0 ? spec.rotary_dims : spec.head_dim;
  }

  // Of deepseek2's heads: what does not turn, what turns, the values; and the latent row.
  static constexpr int kPlain = 32, kTurning = 16, kValue = 24, kLatent = 64;

  const RandomModelSpec& spec;
  const LayerParts parts;
};

// All keys but the tokenizer's.
void SetModelKeys(GgufWriter& writer, const RandomModelPlan& plan);

}  // namespace waferline::test
