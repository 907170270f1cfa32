// What is computed for a model: its sizes, and the variant of each part that its family chooses
// (families/). A plain value.
//
// A layer, on the residual stream x (every norm and bias only where the weights have one):
//   a = Wo Attention(rotary(norm(Wq n)), rotary(norm(Wk n)), Wv n),  n = norm(x)
//   x += residual_scale * norm(a)
//   f = Wdown (activation(Wgate m) * Wup m),  or Wdown activation(Wup m) without a gate; m =
//   norm(x) x += residual_scale * norm(f)
// Before the layers x is embedding_scale times the token's embedding; behind them
//   logits = cap(logit_scale * Whead norm(x)),  cap(y) = logit_softcap * tanh(y / logit_softcap).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace waferline::model {

// Which two elements of a head are turned together by the rotary embedding (Su et al. 2021), i
// counting pairs: kNorm (2i, 2i + 1); kNeox (i, i + dims / 2).
enum class RopeKind : uint8_t { kNorm, kNeox };

// One way to turn queries and keys. Angle of pair i at position p:
//   p / linear_factor * base^(-2i / dims) / factors[i]      (no factors: 1)
struct Rotary {
  RopeKind kind = RopeKind::kNorm;
  int64_t dims = 0;  // even; the first so many elements of a head turn, the others stay
  double base = 10000;
  double linear_factor = 1;
  std::vector<float> factors;  // dims / 2 positive numbers or none
};

// What differs from layer to layer.
struct LayerPlan {
  static constexpr int kNoRotary = -1;
  int rotary = 0;      // index in ModelShape::rotaries, or kNoRotary
  int64_t window = 0;  // positions that a query sees, its own included; 0: all before it
};

// Query head h reads key/value head h / (heads / kv_heads).
struct ModelShape {
  std::string_view architecture;  // of the table of families
  std::string name;               // general.name; may be empty

  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;  // heads * head_dim need not be hidden
  int64_t ffn = 0;
  int64_t context = 0;  // positions
  int64_t vocabulary = 0;
  bool tied_embeddings = false;  // the output matrix is the token embedding

  double norm_epsilon = 0;
  double attention_scale = 0;  // of the scores before softmax
  double embedding_scale = 1;
  double residual_scale = 1;
  double logit_scale = 1;
  std::vector<Rotary> rotaries;
  std::vector<LayerPlan> plan;  // one a layer

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
};

}  // namespace waferline::model
