// What is computed for a model: its sizes, and the variant of each part that its family chooses
// (families/). A plain value.
//
// A layer, on the residual stream x (every norm and bias only where the weights have one):
//   a = Wo Attention(rotary(norm(Wq n)), rotary(norm(Wk n)), Wv n),  n = norm(x)
//   x += residual_scale * norm(a)
//   f = Wdown (activation(Wgate m) * Wup m), without a gate Wdown activation(Wup m);
//       m = norm(x), or n if the branches are parallel
//   x += residual_scale * norm(f)
// Before the layers x is embedding_scale times the token's embedding; behind them
//   logits = cap(logit_scale * Whead norm(x)),  cap(y) = logit_softcap * tanh(y / logit_softcap).
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wafer_backend/compute/kernels/rotary.h"
#include "wafer_backend/compute/kernels/router.h"
#include "wafer_backend/compute/kernels/rows.h"

namespace waferline::model {

enum class NormKind : uint8_t { kRms, kLayer };  // kernels::RmsNorm, kernels::LayerNorm

// One way to turn queries and keys. Angle of pair i at position p:
//   p / linear_factor * base^(-2i / dims) / factors[i]      (no factors: 1)
// or with the frequencies of YaRN instead of the powers of base. Cosines and sines are multiplied
// by `magnitude`.
struct Rotary {
  kernels::RotaryKind kind = kernels::RotaryKind::kNorm;
  int64_t dims = 0;  // even; that many first elements of a head turn, the others stay
  double base = 10000;
  double linear_factor = 1;
  std::vector<float> factors;                // dims / 2 positive numbers or none
  std::optional<kernels::YarnScaling> yarn;  // without linear_factor and factors
  double magnitude = 1;
};

// Queries grow with their position p: times 1 + scale ln(1 + floor((p + 1) / step)) (Nakanishi:
// "Scalable-Softmax", 2025; Meta: "Llama 4", 2025).
struct QueryGrowth {
  double scale = 0;
  double step = 1;  // positions

  double At(int64_t position) const {
    return 1 + scale * std::log(1 + std::floor(static_cast<double>(position + 1) / step));
  }
};

// The layers that have experts: f is then expert(m) of those that the router chooses, weighted
// (kernels/experts.h), and the layer's own feed-forward part, if there is one, is added as an
// expert that all tokens pass (Dai et al.: "DeepSeekMoE", 2024), times sigmoid(g m) if there is a
// g.
struct ExpertsPlan {
  kernels::Router
      router;       // no experts: no layer has any; the bias of the choice is the layers' own
  int64_t ffn = 0;  // of one expert
  int64_t shared_ffn = 0;  // of what all tokens pass in a layer with experts; 0: nothing
  kernels::Activation activation = kernels::Activation::kSilu;
  bool weigh_inputs = false;  // an expert's weight multiplies what it reads
};

// Latent attention (DeepSeek-AI: "DeepSeek-V2", 2024, section 2.1): keys and values of all heads
// are maps of one vector a position, c = norm(the first kv_rank elements of Wkv n); it and the
// rest, a key part that turns and that all heads share, are all that is stored. Since
//   (Wk_h c) q = c (Wk_h^T q)   and   sum of w (Wv_h c) = Wv_h (sum of w c)
// heads attend to c itself, with queries [turned part, Wk_h^T plain part]; behind attention each
// head's sum goes through Wv_h. So there is one KV head, of keys [turned part, c] and values c,
// which are stored as a part of the keys.
struct LatentPlan {
  int64_t kv_rank = 0;     // 0: attention is not latent
  int64_t query_rank = 0;  // queries are Wq norm(Wqa n), Wqa n having this many elements; 0: Wq n
  int64_t plain_dim = 0;   // of a head's query and key, without what turns
  int64_t rotary_dim = 0;
  int64_t value_dim = 0;  // of a head's value
};

// What differs from layer to layer.
struct LayerPlan {
  static constexpr int kNoRotary = -1;
  int rotary = 0;      // index in ModelShape::rotaries, or kNoRotary
  int64_t window = 0;  // positions that a query sees, its own included; 0: all before it
  int64_t chunk = 0;   // a query sees only its own chunk of this many positions; 0: all before it
  bool plain_head_norms = false;  // of queries and keys, without weights
  bool query_growth = false;
  bool experts = false;
};

// Query head h reads key/value head h / (heads / kv_heads).
struct ModelShape {
  std::string_view architecture;  // of the table of families
  std::string name;               // general.name; may be empty

  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;   // divides heads
  int64_t head_dim = 0;   // heads * head_dim need not be hidden
  int64_t value_dim = 0;  // of a KV head's value; 0: head_dim
  int64_t ffn = 0;        // of feed-forward parts and experts that all tokens pass, at most
  int64_t context = 0;    // positions
  int64_t vocabulary = 0;
  bool tied_embeddings = false;  // the output matrix is the token embedding

  NormKind norm = NormKind::kRms;  // of all norms
  double norm_epsilon = 0;
  kernels::Activation activation = kernels::Activation::kSilu;
  bool gated = true;               // the feed-forward part has a gate
  bool parallel_branches = false;  // attention and feed-forward part read the same norm
  double attention_scale = 0;      // of the scores before softmax
  double attention_softcap = 0;    // of the scaled scores; 0: none
  double embedding_scale = 1;
  double residual_scale = 1;
  double logit_scale = 1;
  double logit_softcap = 0;  // 0: none
  QueryGrowth query_growth;
  std::vector<Rotary> rotaries;
  std::vector<LayerPlan> plan;  // one a layer
  ExpertsPlan experts;
  LatentPlan latent;

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  // Elements of KV that a layer stores of a position.
  int64_t kv_stored() const {
    if (latent.kv_rank > 0) return kv_width();
    return kv_heads * (head_dim + (value_dim > 0 ? value_dim : head_dim));
  }
};

}  // namespace waferline::model
