// A model's weights as the kernels want them, packed once from the mapped file and shared by all
// that compute with them in this process: shards of neighbouring layers, the prefill pool.
// Immutable once loaded, any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/experts.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::shard {

// y = matrix x + bias. The matrix is packed, the bias a view into the file, empty if absent.
struct PackedLinear {
  kernels::PackedMatrix matrix;
  std::span<const float> bias;
  bool present() const { return matrix.rows() > 0; }
};

// Views into the file; the bias is empty if absent. Of each `size` elements of a row, which are
// normed together; the weights are as many, or one set for each part of the row.
struct PackedNorm {
  std::span<const float> weight, bias;
  int64_t size = 0;  // 0: there is no norm here
  bool present() const { return size > 0; }
};

// The experts of a layer, each matrix by itself; biases of all, one after the other.
struct PackedExperts {
  PackedLinear router, shared_gate;
  std::vector<kernels::PackedMatrix> gate, up, down;
  std::span<const float> gate_bias, up_bias, down_bias;
  std::span<const float> selection_bias;
  bool present() const { return router.present(); }
  kernels::ExpertWeights weights() const { return {gate, up, down, gate_bias, up_bias, down_bias}; }
  Bytes size() const;
};

// Latent attention's matrices; those that lead up from the latent, head by head, and the keys'
// transposed: kv_rank x plain.
struct PackedLatent {
  PackedLinear q_down, kv_down;
  PackedNorm q_norm, kv_norm;
  std::vector<kernels::PackedMatrix> k_up, v_up;
  bool present() const { return kv_down.present(); }
  Bytes size() const;
};

// One layer, named as in model::LayerWeights.
struct PackedLayer {
  PackedNorm attention_norm, q_norm, k_norm, attention_post_norm, ffn_norm, ffn_post_norm;
  PackedLinear q, k, v, output, gate, up, down;
  std::span<const float> sinks;
  PackedExperts experts;
  PackedLatent latent;
  std::array<const PackedLinear*, 7> linears() const {
    return {&q, &k, &v, &output, &gate, &up, &down};
  }
  Bytes size() const;
};

// Layers [first, end).
struct LayerRange {
  int64_t first = 0;
  int64_t end = 0;
  int64_t count() const { return end - first; }
  bool operator==(const LayerRange&) const = default;
};

class PackedModel {
 public:
  // Packs the layers of `range`, and the output matrix if it reaches the end. The status of Bind
  // and Runnable if the file cannot be computed with; InvalidArgument for a range outside it.
  static absl::StatusOr<std::shared_ptr<const PackedModel>> Load(
      std::shared_ptr<const model::GgufFile> file, LayerRange range, kernels::ThreadPool* pool);

  const model::ModelShape& shape() const { return weights_.shape; }
  const LayerRange& range() const { return range_; }
  const PackedLayer& layer(int64_t index) const;  // within range()

  // What the first layer reads of a token: its embedding, scaled, f32 [hidden]. `id` is within the
  // vocabulary.
  void Embed(TokenId id, float* row) const;
  const PackedNorm& output_norm() const { return output_norm_; }
  const kernels::PackedMatrix& head() const;  // vocabulary x hidden; range() must reach the end

  // What a shard of these layers holds in weights: packed layers, the embedding table as in the
  // file on the first, norm and output matrix on the last.
  Bytes WeightsOf(LayerRange range) const;

  // Tells models apart: peers that compute one sequence must have the same.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  PackedModel() = default;
  absl::Status Pack(kernels::ThreadPool* pool);

  model::ModelWeights weights_;
  LayerRange range_;
  std::vector<PackedLayer> layers_;
  PackedNorm output_norm_;
  kernels::PackedMatrix head_;
  uint64_t fingerprint_ = 0;
  mutable std::atomic<uint32_t> embedded_{0};  // rows read so far
};

// Over the file's size, its tensors' names, types and shapes, and a sample of their bytes.
uint64_t FingerprintOf(const model::GgufFile& file);

// Cuts `layers` into `shards` neighbouring ranges as even as can be, longer ones first. 1 <= shards
// <= layers.
std::vector<LayerRange> CutEvenly(int64_t layers, int64_t shards);

}  // namespace waferline::shard
