// A model's weights as the kernels want them, packed once from the mapped file and shared by all
// that compute with them in this process: shards of neighbouring layers, the prefill pool.
// Immutable once loaded, any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/model/file_guard.h"
#include "wafer_backend/compute/model/weights.h"
#include "wafer_backend/compute/shard/packed_layer.h"

namespace waferline::shard {

// Layers [first, end).
struct LayerRange {
  int64_t first = 0;
  int64_t end = 0;
  int64_t count() const { return end - first; }
  bool operator==(const LayerRange&) const = default;
};

// What a worker holds of its layers. Norms and what is outside of the layers, the embedding table
// and the output matrix, are with attention.
enum class LayerSide : uint8_t { kBoth, kAttention, kFeedForward, kExperts };
struct ModelPart {
  LayerRange layers;
  ExpertRange experts;  // none: all
  LayerSide side = LayerSide::kBoth;
};

class PackedModel {
 public:
  // Packs the layers of `range`, and the output matrix if it reaches the end. The status of Bind
  // and Runnable if the file cannot be computed with; InvalidArgument for a range outside it.
  static absl::StatusOr<std::shared_ptr<const PackedModel>> Load(
      std::shared_ptr<const model::GgufFile> file, LayerRange range, kernels::ThreadPool* pool);
  // A part of it. InvalidArgument for experts outside the model's too; Cancelled if `stop` is set,
  // looked at before each matrix.
  static absl::StatusOr<std::shared_ptr<const PackedModel>> LoadPart(
      std::shared_ptr<const model::GgufFile> file, const ModelPart& part, kernels::ThreadPool* pool,
      const std::atomic<bool>* stop = nullptr);

  const model::ModelShape& shape() const { return weights_.shape; }
  const LayerRange& range() const { return range_; }
  const ExpertRange& experts() const { return experts_; }  // that it has
  // It has all that a worker of `side` computes with.
  bool Holds(LayerSide side) const { return side_ == LayerSide::kBoth || side_ == side; }
  const PackedLayer& layer(int64_t index) const;  // within range()

  // What the first layer reads of a token: its embedding, scaled, f32 [hidden]. `id` is within the
  // vocabulary.
  void Embed(TokenId id, float* row) const;
  // DataLoss if what is still read from the file (embeddings, norms, biases) was changed in place.
  absl::Status CheckFile() const { return guard_->Check(); }
  const PackedNorm& output_norm() const { return output_norm_; }
  const kernels::PackedMatrix& head() const;  // vocabulary x hidden; range() must reach the end

  // What a worker of this part holds in weights: packed layers, of the experts exactly those named;
  // with attention the embedding table as in the file on the first layer, norm and output matrix on
  // the last.
  Bytes WeightsOf(const ModelPart& part) const;

  // Tells models apart: peers that compute one sequence must have the same.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  PackedModel() = default;
  absl::Status Pack(const PackSource& source);
  std::vector<model::FileGuard::Part> PartsReadLater() const;

  model::ModelWeights weights_;
  std::unique_ptr<const model::FileGuard> guard_;
  LayerRange range_;
  ExpertRange experts_;
  LayerSide side_ = LayerSide::kBoth;
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
std::vector<ExpertRange> CutExperts(int64_t experts, int64_t workers);  // the same way

}  // namespace waferline::shard
