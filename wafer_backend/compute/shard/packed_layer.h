// One layer's weights as the kernels want them, packed from the mapped file: the parts of a
// PackedModel. Values; norms and biases are views into the file.
//
// The pack functions release the file's pages as they are packed, so that weights are in memory
// once. Errors: those of PackedMatrix::Pack.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/expert_products.h"
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

// Experts [first, end) of each layer that has experts.
struct ExpertRange {
  int64_t first = 0;
  int64_t end = 0;
  int64_t count() const { return end - first; }
  bool operator==(const ExpertRange&) const = default;
};

// The experts of a layer, or those of a part, each matrix by itself; biases of all, one after the
// other.
struct PackedExperts {
  PackedLinear router, shared_gate;
  std::vector<kernels::PackedMatrix> gate, up, down;
  std::span<const float> gate_bias, up_bias, down_bias;
  std::span<const float> selection_bias;
  int64_t first = 0;  // that gate, up and down begin with
  bool present() const { return !gate.empty(); }
  kernels::ExpertWeights weights(ExpertRange range) const;
  Bytes size(ExpertRange range) const;  // of their weights
  Bytes router_size() const;            // of all else
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
  // The two sides that may be on different workers: attention with all norms, and what computes the
  // feed-forward part, with the router and `held` of the experts.
  Bytes attention_size() const;
  Bytes feed_forward_size(ExpertRange held) const;
};

// Where weights come from, what packs them, and what ends that (Cancelled) if it is set.
struct PackSource {
  const model::GgufFile* file;
  kernels::ThreadPool* pool;
  const std::atomic<bool>* stop = nullptr;
};

PackedNorm PackedNormOf(const model::NormWeights& from);
Bytes SizeOf(const PackedNorm& norm);
absl::Status PackMatrix(const PackSource& source, const model::WeightView& view,
                        kernels::PackedMatrix* matrix);
// As the sizes above, one side each; the experts by themselves.
absl::Status PackAttention(const PackSource& source, const model::LayerWeights& from,
                           const model::ModelShape& shape, PackedLayer* to);
absl::Status PackFeedForward(const PackSource& source, const model::LayerWeights& from,
                             PackedLayer* to);
// The experts of `range`; nothing if the layer has none.
absl::Status PackExperts(const PackSource& source, const model::ExpertWeights& from,
                         ExpertRange range, PackedExperts* to);

}  // namespace waferline::shard
