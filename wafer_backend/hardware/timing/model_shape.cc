#include "wafer_backend/hardware/timing/model_shape.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"

namespace waferline::timing {
namespace {

// Choosing experts: scores are reduced, the choice is spread.
constexpr int kExpertAllreduces = 2;
// The low-rank queries and the latent are normed before they are projected up.
constexpr int kLatentAllreduces = 2;

bool HasExperts(const ModelSizes& shape, int64_t layer) {
  if (!shape.experts.has_value() || layer < shape.experts->first) return false;
  return (layer + 1 - shape.experts->first) % shape.experts->every == 0;
}

bool HasWindow(const ModelSizes& shape, int64_t layer) {
  return shape.window.has_value() && layer % shape.window->every < shape.window->layers;
}

class Checker {
 public:
  void Bound(const char* field, int64_t value, int64_t least, int64_t most) {
    if (value >= least && value <= most) return;
    faults_.push_back(
        absl::StrCat(field, " is ", value, ", must lie in [", least, ", ", most, "]"));
  }
  void Fault(std::string fault) { faults_.push_back(std::move(fault)); }
  absl::Status status() const {
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("model shape: ", absl::StrJoin(faults_, "; ")));
  }

 private:
  std::vector<std::string> faults_;
};

double D(int64_t value) { return static_cast<double>(value); }

double SumOf(const std::vector<int64_t>& tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), 0.0);
}

void CheckExpertTokens(const Experts& e, Checker* check) {
  if (e.tokens.empty()) return;
  if (D(e.total) != static_cast<double>(e.tokens.size())) {
    check->Fault(absl::StrCat("experts.tokens has ", e.tokens.size(),
                              " numbers, must have one for each of experts.total ", e.total));
    return;
  }
  // A token meets an expert once.
  const double most = SumOf(e.tokens) / D(e.active);
  for (size_t i = 0; i < e.tokens.size(); ++i) {
    if (e.tokens[i] >= 0 && most > 0 && D(e.tokens[i]) <= most) continue;
    check->Fault(absl::StrCat("experts.tokens[", i, "] is ", e.tokens[i],
                              ", must be 0 to the sum over experts.active, ", most));
    return;
  }
}

constexpr bool kCutIn = true;

void AddAttention(const ModelSizes& s, LayerKind* kind) {
  const double hidden = D(s.hidden), heads = D(s.heads);
  if (!s.latent.has_value()) {
    const double queries = heads * D(s.head_dim), keys = D(s.kv_heads * s.head_dim);
    kind->matrices = {{hidden, queries}, {hidden, keys}, {hidden, keys}, {queries, hidden, kCutIn}};
    kind->kv_values_per_position = 2 * keys;
    kind->attention_macs_per_position = 2 * queries;
    return;
  }
  const LatentKv& l = *s.latent;
  const double latent = D(l.kv_rank + l.rotary_dim), values = heads * D(l.value_dim);
  kind->matrices = {{hidden, D(l.query_rank)},
                    {D(l.query_rank), heads * D(l.plain_dim + l.rotary_dim)},
                    {hidden, latent},
                    {D(l.kv_rank), heads * D(l.plain_dim) + values},
                    {values, hidden, kCutIn}};
  kind->kv_values_per_position = latent;
  kind->attention_macs_per_position = heads * (latent + D(l.kv_rank));
  kind->allreduces += kLatentAllreduces;
}

LayerKind KindOf(const ModelSizes& s, bool experts, bool window) {
  LayerKind kind;
  kind.allreduces = kDenseLayerAttentionAllreduces;
  kind.scalars = kDenseLayerScalars;
  kind.heads = D(s.heads);
  kind.window = window ? s.window->positions : 0;
  AddAttention(s, &kind);
  kind.attention_matrices = kind.matrices.size();
  CountMatrices(&kind);
  kind.attention_parameters = kind.active_parameters;
  kind.attention_allreduces = kind.allreduces;
  kind.allreduces += kDenseLayerAllreduces - kDenseLayerAttentionAllreduces;
  const double hidden = D(s.hidden), matrices = s.gated ? 3 : 2;
  double width = D(s.ffn);
  if (experts) {
    const Experts& e = *s.experts;
    const double all = D((e.total + e.shared) * e.width);
    width = D((e.active + e.shared) * e.width);
    kind.matrices.push_back({hidden, D(e.total)});  // the router
    kind.ffn_parameters = hidden * D(e.total) + matrices * hidden * all;
    kind.expert_parameters = matrices * hidden * D(e.total * e.width);
    kind.expert_share = D(e.active) / D(e.total);
    const double met = SumOf(e.tokens) / D(e.active);
    for (const int64_t tokens : e.tokens) kind.expert_chances.push_back(D(tokens) / met);
    kind.allreduces += kExpertAllreduces;
  } else {
    kind.ffn_parameters = matrices * hidden * width;
  }
  if (s.gated) kind.matrices.push_back({hidden, width});
  kind.matrices.insert(kind.matrices.end(), {{hidden, width}, {width, hidden, kCutIn}});
  CountMatrices(&kind);
  return kind;
}

}  // namespace

void CountMatrices(LayerKind* kind) {
  kind->active_parameters = kind->inputs = 0;
  kind->outputs = kind->attention_macs_per_position / 2;
  for (const LayerKind::Matrix& m : kind->matrices) {
    kind->active_parameters += m.in * m.out;
    kind->inputs += m.in;
    kind->outputs += m.out;
  }
}

std::optional<SlidingWindow> WindowOf(int64_t positions, const std::vector<bool>& windowed) {
  const auto first_full = std::find(windowed.begin(), windowed.end(), false);
  if (first_full == windowed.begin()) return std::nullopt;
  SlidingWindow window{.positions = positions};
  if (first_full == windowed.end()) return window;
  window.layers = first_full - windowed.begin();
  window.every = std::find(first_full, windowed.end(), true) - windowed.begin();
  for (size_t i = 0; i < windowed.size(); ++i) {
    const bool expected = static_cast<int64_t>(i) % window.every < window.layers;
    if (windowed[i] != expected) return std::nullopt;
  }
  return window;
}

absl::Status CheckShape(const ModelSizes& s) {
  Checker check;
  constexpr int64_t kMax = 1 << 20;
  check.Bound("layers", s.layers, 1, 10'000);
  check.Bound("hidden", s.hidden, 1, kMax);
  check.Bound("heads", s.heads, 1, 65'536);
  check.Bound("kv_heads", s.kv_heads, 1, s.heads > 0 ? s.heads : 1);
  if (s.kv_heads > 0 && s.heads % s.kv_heads != 0) {
    check.Fault(absl::StrCat("heads is ", s.heads, ", no multiple of kv_heads ", s.kv_heads));
  }
  check.Bound("head_dim", s.head_dim, 1, 65'536);
  check.Bound("vocab", s.vocab, 1, 1 << 24);
  bool dense_layer = !s.experts.has_value();
  if (s.experts.has_value()) {
    const Experts& e = *s.experts;
    check.Bound("experts.total", e.total, 1, 65'536);
    check.Bound("experts.active", e.active, 1, e.total > 0 ? e.total : 1);
    check.Bound("experts.shared", e.shared, 0, 65'536);
    check.Bound("experts.width", e.width, 1, kMax);
    check.Bound("experts.first", e.first, 0, s.layers);
    check.Bound("experts.every", e.every, 1, s.layers > 0 ? s.layers : 1);
    if (check.status().ok()) CheckExpertTokens(e, &check);
    dense_layer = e.first > 0 || e.every > 1;
  }
  check.Bound("ffn", s.ffn, dense_layer ? 1 : 0, 16 * kMax);
  if (s.latent.has_value()) {
    check.Bound("latent.kv_rank", s.latent->kv_rank, 1, kMax);
    check.Bound("latent.rotary_dim", s.latent->rotary_dim, 1, 65'536);
    check.Bound("latent.query_rank", s.latent->query_rank, 1, kMax);
    check.Bound("latent.plain_dim", s.latent->plain_dim, 1, 65'536);
    check.Bound("latent.value_dim", s.latent->value_dim, 1, 65'536);
  }
  if (s.window.has_value()) {
    check.Bound("window.positions", s.window->positions, 1, int64_t{1} << 40);
    check.Bound("window.every", s.window->every, 1, 10'000);
    check.Bound("window.layers", s.window->layers, 1, std::max<int64_t>(s.window->every, 1));
  }
  return check.status();
}

ModelLayers LayersOf(const ModelSizes& shape) {
  ModelLayers all;
  int index[2][2] = {{-1, -1}, {-1, -1}};
  for (int64_t i = 0; i < shape.layers; ++i) {
    const bool experts = HasExperts(shape, i), window = HasWindow(shape, i);
    int& kind = index[experts][window];
    if (kind < 0) {
      kind = static_cast<int>(all.kinds.size());
      all.kinds.push_back(KindOf(shape, experts, window));
    }
    all.kind_of.push_back(static_cast<uint8_t>(kind));
  }
  return all;
}

double VocabularyParameters(const ModelSizes& shape) { return D(shape.vocab) * D(shape.hidden); }

double TotalParameters(const ModelSizes& shape) {
  const ModelLayers layers = LayersOf(shape);
  double total = VocabularyParameters(shape) * (shape.tied_embeddings ? 1 : 2);
  for (size_t i = 0; i < layers.kind_of.size(); ++i) total += layers.of(i).parameters();
  return total;
}

double ActiveParameters(const ModelSizes& shape) {
  const ModelLayers layers = LayersOf(shape);
  double total = VocabularyParameters(shape);
  for (size_t i = 0; i < layers.kind_of.size(); ++i) total += layers.of(i).active_parameters;
  return total;
}

}  // namespace waferline::timing
