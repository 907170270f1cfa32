#include <string>

#include "tests/support/random_model_plan.h"

namespace waferline::test {
namespace {

using Plan = RandomModelPlan;

class Keys {
 public:
  Keys(GgufWriter& writer, const Plan& plan) : writer_(writer), plan_(plan) {}

  void Set() {
    const std::string prefix = plan_.spec.architecture + ".";
    writer_.SetString("general.architecture", plan_.spec.architecture);
    writer_.SetString("general.name", "random " + plan_.spec.architecture);
    writer_.SetUint(prefix + "block_count", plan_.spec.layers);
    writer_.SetUint(prefix + "context_length", plan_.spec.context);
    writer_.SetUint(prefix + "embedding_length", plan_.spec.hidden);
    writer_.SetUint(prefix + "feed_forward_length", plan_.spec.ffn);
    writer_.SetUint(prefix + "attention.head_count", plan_.spec.heads);
    if (plan_.parts.latent) {
      LatentKeys(prefix);
    } else {
      writer_.SetUint(prefix + "attention.head_count_kv", plan_.spec.kv_heads);
      writer_.SetUint(prefix + "attention.key_length", plan_.spec.head_dim);
      writer_.SetUint(prefix + "attention.value_length", plan_.spec.head_dim);
    }
    writer_.SetFloat(prefix + (plan_.parts.layer_norms ? "attention.layer_norm_epsilon"
                                                       : "attention.layer_norm_rms_epsilon"),
                     1e-5f);
    writer_.SetFloat(prefix + "rope.freq_base", plan_.spec.rope_theta);
    writer_.SetUint(prefix + "rope.dimension_count", plan_.RotaryDims());
    if (plan_.parts.windows && plan_.spec.window > 0)
      writer_.SetUint(prefix + "attention.sliding_window", plan_.spec.window);
    if (plan_.spec.rope_linear_factor != 1) {
      writer_.SetString(prefix + "rope.scaling.type", "linear");
      writer_.SetFloat(prefix + "rope.scaling.factor", plan_.spec.rope_linear_factor);
    }
    if (plan_.spec.rope_yarn_factor != 1) {
      writer_.SetString(prefix + "rope.scaling.type", "yarn");
      writer_.SetFloat(prefix + "rope.scaling.factor", plan_.spec.rope_yarn_factor);
      writer_.SetUint(prefix + "rope.scaling.original_context_length", 64);
    }
    FamilyKeys(prefix);
    if (plan_.Experts() > 0) ExpertKeys(prefix);
  }

 private:
  // As newer files have them, where the two matrices are apart: lengths as attention sees them.
  void LatentKeys(const std::string& prefix) {
    const bool joint = plan_.spec.joint_up;
    writer_.SetUint(prefix + "attention.head_count_kv", joint ? plan_.spec.heads : 1);
    writer_.SetUint(prefix + "attention.key_length",
                    Plan::kTurning + (joint ? Plan::kPlain : Plan::kLatent));
    writer_.SetUint(prefix + "attention.value_length", joint ? Plan::kValue : Plan::kLatent);
    if (!joint) {
      writer_.SetUint(prefix + "attention.key_length_mla", Plan::kTurning + Plan::kPlain);
      writer_.SetUint(prefix + "attention.value_length_mla", Plan::kValue);
    }
    writer_.SetUint(prefix + "attention.kv_lora_rank", Plan::kLatent);
    if (plan_.spec.query_rank > 0)
      writer_.SetUint(prefix + "attention.q_lora_rank", plan_.spec.query_rank);
    if (plan_.spec.rope_yarn_factor != 1) {
      writer_.SetFloat(prefix + "rope.scaling.yarn_log_multiplier", 0.07f);
    }
    writer_.SetUint(prefix + "expert_gating_func", plan_.spec.sigmoid_router ? 2 : 1);
    writer_.SetBool(prefix + "expert_weights_norm", plan_.spec.sigmoid_router);
    writer_.SetFloat(prefix + "expert_weights_scale", 1.5f);
    writer_.SetUint(prefix + "expert_shared_count", 1);
  }

  // Numbers far from 1, so that a part which is left out shows.
  void FamilyKeys(const std::string& prefix) {
    if (plan_.spec.architecture == "gemma2") {
      writer_.SetFloat(prefix + "attn_logit_softcapping", 1.5f);
      writer_.SetFloat(prefix + "final_logit_softcapping", 2);
    }
    if (plan_.spec.architecture == "gemma3") writer_.SetFloat(prefix + "rope.freq_base_swa", 300);
    if (plan_.spec.architecture == "stablelm")
      writer_.SetBool(prefix + "use_parallel_residual", true);
    if (plan_.spec.architecture.starts_with("granite")) {
      writer_.SetFloat(prefix + "embedding_scale", 3);
      writer_.SetFloat(prefix + "residual_scale", 0.4f);
      writer_.SetFloat(prefix + "attention.scale", 0.6f);
      writer_.SetFloat(prefix + "logit_scale", 5);
    }
  }

  void ExpertKeys(const std::string& prefix) {
    const bool llama4 = plan_.spec.architecture == "llama4";
    writer_.SetUint(prefix + "expert_count", plan_.Experts());
    writer_.SetUint(prefix + "expert_used_count", llama4 ? 1 : plan_.spec.experts_used);
    writer_.SetUint(prefix + "expert_feed_forward_length", plan_.spec.expert_ffn);
    if (plan_.spec.dense_layers > 0) {
      writer_.SetUint(prefix + "leading_dense_block_count", plan_.spec.dense_layers);
    }
    if (plan_.spec.expert_groups > 1) {
      writer_.SetUint(prefix + "expert_group_count", plan_.spec.expert_groups);
      writer_.SetUint(prefix + "expert_group_used_count", plan_.spec.expert_groups_used);
    }
    if (plan_.spec.architecture == "glm4moe") {
      writer_.SetUint(prefix + "expert_shared_count", 1);
      writer_.SetFloat(prefix + "expert_weights_scale", 1.5f);
      writer_.SetUint(prefix + "expert_gating_func", 2);
      writer_.SetBool(prefix + "expert_weights_norm", true);
    } else if (plan_.parts.shared_expert && !llama4 && !plan_.parts.latent) {
      writer_.SetUint(prefix + "expert_shared_feed_forward_length", plan_.SharedFfn());
    }
    if (llama4) {
      writer_.SetUint(prefix + "interleave_moe_layer_step", 2);
      writer_.SetUint(prefix + "attention.temperature_length", 5);
      writer_.SetFloat(prefix + "attention.temperature_scale", 0.7f);
    }
  }

  GgufWriter& writer_;
  const Plan& plan_;
};

}  // namespace

void SetModelKeys(GgufWriter& writer, const RandomModelPlan& plan) { Keys(writer, plan).Set(); }

}  // namespace waferline::test
