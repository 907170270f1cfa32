// The transformer written the obvious way, in double precision: what the product's logits are
// compared with. Shares the file reader and nothing else with the product: weights are decoded
// here from the bytes of the file, block by block, and every product is a plain loop.
//
// Sources: Touvron et al. 2023 (llama: RMS norm, rotary embedding, SwiGLU, grouped heads); the
// qwen2 and qwen3 reports (QKV biases; norms of query and key heads). Cost: quadratic in the
// prompt, for small models only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"

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
  struct Layer {
    Matrix q, k, v, output, gate, up, down;
    std::vector<double> attention_norm, ffn_norm, q_bias, k_bias, v_bias, q_norm, k_norm;
  };
  using Rows = std::vector<std::vector<double>>;
  std::vector<double> Normed(const std::vector<double>& x, const std::vector<double>& weight) const;
  void NormHeads(const std::vector<double>& weight, std::vector<double>* row) const;
  void Rotate(int64_t position, std::vector<double>* row) const;
  std::vector<double> Attend(const std::vector<double>& q, const Rows& keys,
                             const Rows& values) const;

  model::ModelShape shape_;
  Options options_;
  Matrix embedding_, head_;
  std::vector<double> output_norm_;
  std::vector<Layer> layers_;
};

}  // namespace waferline::reference
