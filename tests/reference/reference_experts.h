// A layer of experts the obvious way, in double: each token by itself, each expert a plain loop.
#pragma once

#include <cstdint>
#include <vector>

namespace waferline::reference {

// What is done with the router's logits, as published: Jiang et al. 2024 (Mixtral), DeepSeek-AI
// 2024 (V2, V3), OpenAI 2025 (gpt-oss), Meta 2025 (Llama 4).
struct ExpertsRecipe {
  int64_t count = 0;
  int64_t used = 0;
  bool sigmoid = false;    // else softmax
  bool normalise = false;  // weights sum to `scale`
  double scale = 1;
  int64_t groups = 1;
  int64_t used_groups = 1;
  bool two_rank_groups = false;  // the sum of a group's two best, else the best
  bool clamped = false;          // gpt-oss' gate
  bool weigh_inputs = false;     // llama 4
};

struct ExpertsLayer {
  int64_t ffn = 0;
  std::vector<double> gate, up, down;                 // [experts][rows][cols]
  std::vector<double> gate_bias, up_bias, down_bias;  // [experts][rows]; empty: none
  std::vector<double> selection_bias;                 // [experts]; empty: none
};

// The weighted sum of a token's experts. logits: [experts]; x: [hidden].
std::vector<double> ExpertsOf(const ExpertsRecipe& recipe, const ExpertsLayer& layer,
                              const std::vector<double>& logits, const std::vector<double>& x);

}  // namespace waferline::reference
