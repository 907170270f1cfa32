// The weights of a model, layer by layer, as typed views on its mapped file. Values that share
// ownership of the file through ModelWeights::file; any thread.
//
// A matrix of `rows` outputs and `cols` inputs is stored row after row: y[r] = sum over c of
// w[r][c] * x[c]. Vectors (norms, biases) are one row, always F32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"

namespace waferline::model {

struct WeightView {
  std::string_view name;  // of the tensor in the file; empty: the model has no such weight
  kernels::DType dtype = kernels::DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  std::span<const std::byte> bytes;  // the tensor's, or those of some of its rows

  bool present() const { return !name.empty(); }
  Bytes size() const { return Bytes(static_cast<int64_t>(bytes.size())); }
  // Elements of an F32 view (bug otherwise); none if it is not present.
  std::span<const float> f32() const;
};

struct LinearWeights {
  WeightView matrix;
  WeightView bias;  // [matrix.rows]
};

// `cols` elements are normed together; with `rows` > 1 each group has weights of its own.
struct NormWeights {
  WeightView weight;
  WeightView bias;  // as the weight
};

// Of latent attention; q is then (heads * (plain + rotary)) x query_rank or hidden.
struct LatentWeights {
  LinearWeights q_down;   // query_rank x hidden, or not present
  NormWeights q_norm;     // [query_rank]
  LinearWeights kv_down;  // (kv_rank + rotary) x hidden
  NormWeights kv_norm;    // [kv_rank]
  // Heads one below the other: either both, the first transposed, or their rows in turn.
  LinearWeights k_up;   // (heads * kv_rank) x plain
  LinearWeights v_up;   // (heads * value) x kv_rank
  LinearWeights kv_up;  // (heads * (plain + value)) x kv_rank

  bool present() const { return kv_down.matrix.present(); }
};

// Of a layer's experts: a matrix each, in one tensor or in one each; biases one below the other.
struct ExpertMatrices {
  std::vector<WeightView> matrices;
  WeightView bias;  // [experts * rows]
};

struct ExpertWeights {
  LinearWeights router;       // experts x hidden; gives the logits of the choice
  WeightView selection_bias;  // [experts]
  ExpertMatrices gate, up;    // ffn x hidden
  ExpertMatrices down;        // hidden x ffn
  LinearWeights shared_gate;  // 1 x hidden: of the layer's own feed-forward part

  bool present() const { return router.matrix.present(); }
};

// Norms that a family does not have, and biases, are not present.
struct LayerWeights {
  NormWeights attention_norm;  // [hidden], of what attention reads
  LinearWeights q;             // q_width x hidden
  LinearWeights k, v;          // kv_width x hidden
  // Before the rotary embedding: [head_dim], [heads x head_dim] or of the whole row, [q_width].
  NormWeights q_norm, k_norm;
  WeightView sinks;                 // [heads]: logits of the softmax that have no value
  LinearWeights output;             // hidden x q_width
  NormWeights attention_post_norm;  // [hidden], of what attention adds
  NormWeights ffn_norm;             // [hidden], of what the feed-forward part reads
  LinearWeights gate, up;           // up to ffn x hidden
  LinearWeights down;               // hidden x up to ffn
  ExpertWeights experts;
  NormWeights ffn_post_norm;  // [hidden], of what the feed-forward part adds
  LatentWeights latent;

  std::vector<const WeightView*> matrices() const;  // those that are present
  Bytes size() const;                               // of all weights
};

struct ModelWeights {
  std::shared_ptr<const GgufFile> file;
  ModelShape shape;
  WeightView token_embedding;  // vocabulary x hidden
  std::vector<LayerWeights> layers;
  NormWeights output_norm;  // [hidden]
  WeightView output;        // vocabulary x hidden; the same view as token_embedding if tied

  // Whether the kernels of this build run every matrix; else Unimplemented naming the first tensor.
  absl::Status Runnable() const;
};

}  // namespace waferline::model
