// The shape of a transformer: what timing and placement need to know of a model whose weights are
// not here. Plain values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace waferline::timing {

struct Experts {
  int64_t total = 0;
  int64_t active = 0;  // routed ones that a token meets
  int64_t shared = 0;  // met by every token
  int64_t width = 0;   // feed-forward width of each
  // Layers with index >= first, every `every`-th counted so that the last layer has experts; the
  // others are dense.
  int64_t first = 0;
  int64_t every = 1;
  // How many tokens each computed, as measured; empty: all as many.
  std::vector<int64_t> tokens{};
};

// Keys and values as one low-rank vector a position (DeepSeek-V2, section 2.1), decoded with the
// up-projections absorbed into queries and output.
struct LatentKv {
  int64_t kv_rank = 0;
  int64_t rotary_dim = 0;
  int64_t query_rank = 0;
  int64_t plain_dim = 0;  // of a query or key head, without its rotary part
  int64_t value_dim = 0;
};

// Of each `every` layers the first `layers` see only the window.
struct SlidingWindow {
  int64_t positions = 0;
  int64_t every = 1;
  int64_t layers = 1;
};
// The window of a model whose layers have one where `windowed` says so; nothing if they follow no
// such pattern.
std::optional<SlidingWindow> WindowOf(int64_t positions, const std::vector<bool>& windowed);

struct ModelSizes {
  std::string name;
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn = 0;    // of dense layers; 0 only if there are none
  bool gated = true;  // feed-forward parts have a gate: three matrices, else two
  int64_t vocab = 0;
  bool tied_embeddings = false;
  std::optional<Experts> experts;
  std::optional<LatentKv> latent;
  std::optional<SlidingWindow> window;
};

// InvalidArgument names the field: sizes must be positive and small enough that no product of them
// overflows (2^40 parameters a layer), heads a multiple of kv_heads, active experts at most all.
absl::Status CheckShape(const ModelSizes& shape);

// All layers of one sort, per layer. Counts are exact in a double.
struct LayerKind {
  struct Matrix {
    double in = 0;
    double out = 0;
    bool cut_in = false;  // tensor parallelism cuts its input, else its output
  };
  std::vector<Matrix> matrices;   // those that a token meets; active experts side by side
  size_t attention_matrices = 0;  // the first ones
  double attention_parameters = 0;
  double ffn_parameters = 0;
  double expert_parameters = 0;        // of them, those of routed experts
  double expert_share = 1;             // of these, what one token meets
  std::vector<double> expert_chances;  // that a token meets each; empty: the share each
  double active_parameters = 0;        // multiply-accumulates of one token, attention aside
  double inputs = 0;                   // of all matrices together
  double outputs = 0;                  // ... and of attention's values
  double kv_values_per_position = 0;   // numbers kept per cached position
  double attention_macs_per_position = 0;
  double heads = 0;
  int64_t window = 0;            // 0: sees everything
  int allreduces = 0;            // of a decode step, over rows or columns
  int attention_allreduces = 0;  // of them, attention's
  int scalars = 0;               // allreduces that sum a single number
  double start_share = 1;        // of what starting a whole layer costs
  double parameters() const { return attention_parameters + ffn_parameters; }
};
// What follows from a kind's matrices: active_parameters, inputs, outputs.
void CountMatrices(LayerKind* kind);

struct ModelLayers {
  std::vector<LayerKind> kinds;  // four at most: dense or experts, windowed or not
  std::vector<uint8_t> kind_of;  // of each layer, in order
  const LayerKind& of(size_t layer) const { return kinds[kind_of[layer]]; }
};
// The shape must have passed CheckShape.
ModelLayers LayersOf(const ModelSizes& shape);

// Embedding or output matrix.
double VocabularyParameters(const ModelSizes& shape);
double TotalParameters(const ModelSizes& shape);
// Those that one token meets, without the embedding table (a look-up).
double ActiveParameters(const ModelSizes& shape);

}  // namespace waferline::timing
