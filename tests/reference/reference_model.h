// The transformer written the obvious way, in double precision: what the product's logits are
// compared with. Shares the file reader and nothing else with the product: keys are read
// (reference_recipe.h) and weights decoded here, and every product is a plain loop.
//
// Sources: Touvron et al. 2023 (llama: RMS norm, rotary embedding, SwiGLU, grouped heads); those of
// the other families are named in reference_recipe.cc. Cost: quadratic in the prompt, for small
// models only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tests/reference/reference_recipe.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::reference {

// A dense matrix, row after row.
struct Matrix {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<double> values;
  std::vector<double> Times(const std::vector<double>& x) const;
};

// Any supported dtype as doubles.
std::vector<double> Decode(const model::GgufTensor& tensor);

class ReferenceModel {
 public:
  struct Options {
    // Rounds keys and values to IEEE half precision when they are stored, as the product does;
    // otherwise everything is double.
    bool half_kv = true;
  };
  // The file must be a well-formed model.
  ReferenceModel(const model::GgufFile& file, Options options);

  // Logits after each token: tokens.size() rows over the vocabulary.
  std::vector<std::vector<double>> Logits(std::span<const TokenId> tokens) const;

 private:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;
  struct Linear {
    Matrix matrix;
    Row bias;  // empty: none
    Row Of(const Row& x) const;
    Linear Rows(int64_t first, int64_t count) const;
  };
  struct Norm {
    int64_t size = 0;  // elements that are normed together
    Row weight, bias;  // empty weight: no norm; own weights of each part of the row, or the same
  };
  struct Layer {
    Norm attention_norm, q_norm, k_norm, attention_post_norm, ffn_norm, ffn_post_norm;
    Linear q, k, v, output, gate, up, down;  // no gate: empty matrix
    Row sinks;                               // empty: none
    Linear router;                           // no matrix: no experts
    Row shared_gate;                         // empty: none
    LatentLayer latent;
    ExpertsLayer experts;
  };
  Linear ReadLinear(const model::GgufFile& file, const std::string& name) const;
  Norm ReadNorm(const model::GgufFile& file, const std::string& name) const;
  Layer ReadLayer(const model::GgufFile& file, const std::string& prefix) const;
  Row Normed(const Row& x, const Norm& norm) const;
  void NormOnce(const Norm& norm, size_t at, Row* row) const;
  void Rotate(const RotaryRecipe& rotary, int64_t position, Row* row) const;
  Row Attend(const Row& q, const Rows& keys, const Rows& values, const Layer& layer,
             const LayerRecipe& recipe) const;
  Linear ReadIfThere(const model::GgufFile& file, const std::string& name) const;
  // Of one position; what is stored of it is rounded.
  LatentQkv LatentOf(const Layer& layer, const RotaryRecipe& rotary, int64_t position,
                     const Row& x) const;
  LatentQkv QkvOf(size_t layer, int64_t position, const Row& x) const;
  void ReadExperts(const model::GgufFile& file, const std::string& prefix, Layer* layer) const;
  Row FeedForward(const Layer& layer, const Row& x) const;
  double Activated(double x) const;
  // Adds a branch of a layer to the residual stream.
  void AddBranch(const Row& branch, Row* x) const;

  Options options_;
  Recipe recipe_;
  Matrix embedding_, head_;
  Norm output_norm_;
  std::vector<Layer> layers_;
};

}  // namespace waferline::reference
