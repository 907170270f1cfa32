#include <map>
#include <string>

#include "tests/support/random_model_plan.h"

namespace waferline::test {

const std::map<std::string, LayerParts>& FamilyParts() {
  static const std::map<std::string, LayerParts> families = {
      {"deepseek2",
       {.latent = true, .experts = true, .shared_expert = true, .selection_bias = true}},
      {"gemma", {}},
      {"gemma2", {.post_norms = true, .windows = true}},
      {"gemma3", {.post_norms = true, .head_norms = HeadNorms::kSame, .windows = true}},
      {"glm4", {.post_norms = true, .qkv_biases = true, .fused_gate = true}},
      {"glm4moe",
       {.head_norms = HeadNorms::kSame,
        .qkv_biases = true,
        .ffn_norm_behind_attention = true,
        .experts = true,
        .shared_expert = true,
        .selection_bias = true}},
      {"gpt-oss",
       {.qkv_biases = true,
        .windows = true,
        .ffn_norm_behind_attention = true,
        .sinks = true,
        .experts = true,
        .expert_biases = true}},
      {"granite", {.windows = true}},
      {"granitemoe", {.experts = true, .shared_expert = true}},
      {"llama", {.windows = true}},
      {"llama4", {.experts = true, .shared_expert = true}},
      {"mistral", {.windows = true}},
      {"olmo2",
       {.pre_norms = false,
        .post_norms = true,
        .head_norms = HeadNorms::kWholeRow,
        .windows = true}},
      {"phi3", {.fused_qkv = true, .fused_gate = true, .windows = true}},
      {"qwen2", {.qkv_biases = true, .windows = true}},
      {"qwen2moe",
       {.qkv_biases = true,
        .windows = true,
        .experts = true,
        .shared_expert = true,
        .shared_gate = true}},
      {"qwen3", {.head_norms = HeadNorms::kSame, .windows = true}},
      {"qwen3moe", {.head_norms = HeadNorms::kSame, .windows = true, .experts = true}},
      {"smollm3", {.windows = true}},
      {"stablelm", {.layer_norms = true, .head_norms = HeadNorms::kOwn}},
      {"starcoder2",
       {.layer_norms = true,
        .qkv_biases = true,
        .gate = false,
        .windows = true,
        .other_biases = true}},
  };
  return families;
}

std::vector<std::string> ModelFamilies() {
  std::vector<std::string> names;
  for (const auto& [name, parts] : FamilyParts()) names.push_back(name);
  return names;
}

}  // namespace waferline::test
