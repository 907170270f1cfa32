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
#include "absl/status/statusor.h"
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
  std::span<const std::byte> bytes;

  bool present() const { return !name.empty(); }
  Bytes size() const { return Bytes(static_cast<int64_t>(bytes.size())); }
  // Elements of an F32 view (bug otherwise).
  std::span<const float> f32() const;
};

struct LayerWeights {
  WeightView attention_norm;  // [hidden]
  WeightView q;               // q_width x hidden
  WeightView k, v;            // kv_width x hidden
  WeightView q_bias;          // [q_width], if the shape has qkv_biases
  WeightView k_bias, v_bias;  // [kv_width], the same
  WeightView q_norm, k_norm;  // [head_dim], if the shape has qk_norms
  WeightView output;          // hidden x q_width
  WeightView ffn_norm;        // [hidden]
  WeightView gate, up;        // ffn x hidden
  WeightView down;            // hidden x ffn
  Bytes size() const;         // of all of them
};

struct ModelWeights {
  std::shared_ptr<const GgufFile> file;
  ModelShape shape;
  WeightView token_embedding;  // vocabulary x hidden
  std::vector<LayerWeights> layers;
  WeightView output_norm;  // [hidden]
  WeightView output;       // vocabulary x hidden; the same view as token_embedding if tied

  // InvalidArgument naming the tensor: missing, or of a shape that contradicts the metadata, or not
  // part of this architecture; Unimplemented naming dtype and tensor if its layout is not known.
  static absl::StatusOr<ModelWeights> Bind(std::shared_ptr<const GgufFile> file);

  // Whether the kernels of this build run every matrix; else Unimplemented naming the first tensor.
  absl::Status Runnable() const;
};

}  // namespace waferline::model
