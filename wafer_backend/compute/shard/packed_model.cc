#include "wafer_backend/compute/shard/packed_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/dequantize.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/model/families/families.h"

namespace waferline::shard {

absl::StatusOr<std::shared_ptr<const PackedModel>> PackedModel::Load(
    std::shared_ptr<const model::GgufFile> file, LayerRange range, kernels::ThreadPool* pool) {
  return LoadPart(std::move(file), {.layers = range}, pool);
}

absl::StatusOr<std::shared_ptr<const PackedModel>> PackedModel::LoadPart(
    std::shared_ptr<const model::GgufFile> file, const ModelPart& part, kernels::ThreadPool* pool,
    const std::atomic<bool>* stop) {
  const LayerRange& range = part.layers;
  std::shared_ptr<PackedModel> packed(new PackedModel());
  const model::GgufFile::Facts before = file->Look();
  WL_ASSIGN_OR_RETURN(packed->weights_, model::BindWeights(std::move(file)));
  WL_RETURN_IF_ERROR(packed->weights_.Runnable());
  const int64_t layers = packed->weights_.shape.layers;
  if (range.first < 0 || range.first >= range.end || range.end > layers) {
    return absl::InvalidArgumentError(absl::StrCat("layers ", range.first, " to ", range.end,
                                                   " (exclusive) out of range [0, ", layers, ")"));
  }
  packed->range_ = range;
  const int64_t experts = packed->weights_.shape.experts.router.experts;
  packed->experts_ = part.experts.count() == 0 ? ExpertRange{0, experts} : part.experts;
  if (packed->experts_.first < 0 || packed->experts_.first > packed->experts_.end ||
      packed->experts_.end > experts) {
    return absl::InvalidArgumentError(absl::StrCat("experts ", part.experts.first, " to ",
                                                   part.experts.end,
                                                   " (exclusive) out of range [0, ", experts, ")"));
  }
  packed->side_ = part.side;
  WL_RETURN_IF_ERROR(packed->Pack({packed->weights_.file.get(), pool, stop}));
  WL_ASSIGN_OR_RETURN(packed->guard_, model::FileGuard::Create(packed->weights_.file, before,
                                                               packed->PartsReadLater()));
  packed->fingerprint_ = FingerprintOf(*packed->weights_.file);
  return std::shared_ptr<const PackedModel>(std::move(packed));
}

absl::Status PackedModel::Pack(const PackSource& source) {
  layers_.resize(range_.count());
  for (int64_t i = range_.first; i < range_.end; ++i) {
    const model::LayerWeights& from = weights_.layers[i];
    PackedLayer& to = layers_[i - range_.first];
    if (side_ != LayerSide::kAttention) {
      WL_RETURN_IF_ERROR(PackExperts(source, from.experts, experts_, &to.experts));
    }
    if (Holds(LayerSide::kFeedForward)) WL_RETURN_IF_ERROR(PackFeedForward(source, from, &to));
    if (Holds(LayerSide::kAttention)) {
      WL_RETURN_IF_ERROR(PackAttention(source, from, weights_.shape, &to));
    }
  }
  output_norm_ = PackedNormOf(weights_.output_norm);
  if (!Holds(LayerSide::kAttention) || range_.end < weights_.shape.layers) return absl::OkStatus();
  return PackMatrix(source, weights_.output, &head_);
}

// The embedding table, if it is here, and what is in the file as f32: norms and biases, of which
// the layers have views.
std::vector<model::FileGuard::Part> PackedModel::PartsReadLater() const {
  std::vector<model::FileGuard::Part> parts;
  const auto& table = weights_.token_embedding.bytes;
  if (Holds(LayerSide::kAttention) && range_.first == 0) parts.push_back(table);
  for (const model::GgufTensor& tensor : weights_.file->tensors()) {
    const bool f32 = tensor.dtype == kernels::DType::kF32;
    if (f32 && tensor.bytes.data() != table.data()) parts.push_back(tensor.bytes);
  }
  return parts;
}

const PackedLayer& PackedModel::layer(int64_t index) const {
  WL_CHECK(index >= range_.first && index < range_.end);
  return layers_[index - range_.first];
}

void PackedModel::Embed(TokenId id, float* row) const {
  const model::WeightView& table = weights_.token_embedding;
  WL_CHECK(id >= 0 && id < table.rows);
  const int64_t row_bytes = kernels::BytesFor(table.dtype, table.cols).count();
  kernels::Dequantize(table.dtype, table.bytes.data() + id * row_bytes, table.cols, row);
  if (shape().embedding_scale != 1) {
    kernels::Scale(static_cast<float>(shape().embedding_scale), table.cols, row);
  }
  // A row brings many neighbours into memory, half a megabyte with it on Linux: not for long where
  // the table is large.
  constexpr Bytes kLargeTable = Bytes(32 << 20);
  constexpr uint32_t kRowsKept = 32;
  if (table.size() > kLargeTable &&
      embedded_.fetch_add(1, std::memory_order_relaxed) % kRowsKept == kRowsKept - 1) {
    weights_.file->Release(table.bytes);
  }
}

const kernels::PackedMatrix& PackedModel::head() const {
  WL_CHECK(range_.end == weights_.shape.layers);
  return head_;
}

Bytes PackedModel::WeightsOf(const ModelPart& part) const {
  const LayerRange& range = part.layers;
  const LayerSide side = part.side;
  const bool attention = side == LayerSide::kBoth || side == LayerSide::kAttention;
  Bytes sum;
  for (int64_t i = range.first; i < range.end; ++i) {
    if (attention) sum += layer(i).attention_size();
    if (side == LayerSide::kBoth || side == LayerSide::kFeedForward) {
      sum += layer(i).feed_forward_size(part.experts);
    }
    if (side == LayerSide::kExperts) sum += layer(i).experts.size(part.experts);
  }
  if (!attention) return sum;
  if (range.first == 0) sum += weights_.token_embedding.size();
  if (range.end == weights_.shape.layers) sum += SizeOf(output_norm_) + head_.bytes();
  return sum;
}

uint64_t FingerprintOf(const model::GgufFile& file) {
  uint64_t hash = Mix(file.file_size());
  const auto add = [&hash](uint64_t value) { hash = Mix(hash ^ value); };
  for (const model::GgufTensor& tensor : file.tensors()) {
    for (const char c : tensor.name) add(static_cast<uint8_t>(c));
    add(tensor.gguf_type);
    for (const int64_t dim : tensor.dims) add(static_cast<uint64_t>(dim));
    // Up to 64 words spread over the tensor: enough to tell two trainings apart.
    const size_t words = tensor.bytes.size() / sizeof(uint64_t);
    const size_t step = std::max<size_t>(words / 64, 1);
    for (size_t i = 0; i < words; i += step) {
      uint64_t word = 0;
      std::memcpy(&word, tensor.bytes.data() + i * sizeof(word), sizeof(word));
      add(word);
    }
    file.Release(tensor.bytes);  // a touched page brings its neighbours into memory
  }
  return hash;
}

std::vector<LayerRange> CutEvenly(int64_t layers, int64_t shards) {
  WL_CHECK(shards >= 1 && shards <= layers);
  std::vector<LayerRange> ranges;
  int64_t first = 0;
  for (int64_t i = 0; i < shards; ++i) {
    const int64_t count = layers / shards + (i < layers % shards ? 1 : 0);
    ranges.push_back({first, first + count});
    first += count;
  }
  return ranges;
}

std::vector<ExpertRange> CutExperts(int64_t experts, int64_t workers) {
  std::vector<ExpertRange> ranges;
  for (const LayerRange& part : CutEvenly(experts, workers)) {
    ranges.push_back({part.first, part.end});
  }
  return ranges;
}

}  // namespace waferline::shard
