// What a file asks to be computed, read from its keys for the reference alone: shares nothing but
// the metadata with the product. Ends the process for a file that is not a well-formed model of a
// known family.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/reference/reference_experts.h"
#include "tests/reference/reference_latent.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::reference {

struct RotaryRecipe {
  bool neighbours = true;           // pairs (2i, 2i + 1); else (i, i + dims / 2)
  std::vector<double> frequencies;  // of each pair; empty: heads do not turn
  double magnitude = 1;             // of cosines and sines
};

struct LayerRecipe {
  RotaryRecipe rotary;
  int64_t window = 0;  // 0: sees all positions before its own
  int64_t chunk = 0;   // 0: sees all positions before its own
  bool plain_head_norms = false;
  bool query_growth = false;
};

struct Recipe {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  bool layer_norms = false;  // mean and variance; else the root of the mean square
  double epsilon = 0;
  bool gelu = false;  // tanh's approximation; else SiLU
  double attention_scale = 0;
  double attention_cap = 0;  // 0: none
  double embedding_scale = 1;
  double residual_scale = 1;
  double logit_scale = 1;
  double logit_cap = 0;                      // 0: none
  double growth_scale = 0, growth_step = 1;  // of queries
  ExpertsRecipe experts;
  LatentRecipe latent;
  int64_t value_dim = 0;  // of a KV head
  std::vector<LayerRecipe> layers;
};

Recipe RecipeOf(const model::GgufFile& file);

}  // namespace waferline::reference
