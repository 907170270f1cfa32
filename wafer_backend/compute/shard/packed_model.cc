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
namespace {

using kernels::PackedMatrix;

// The file's pages go back to the system as soon as they are packed, so that weights are in memory
// once.
absl::Status PackInto(const model::GgufFile& file, const model::WeightView& view,
                      kernels::ThreadPool* pool, PackedMatrix* matrix) {
  const auto release = [&file](std::span<const std::byte> part) { file.Release(part); };
  WL_ASSIGN_OR_RETURN(
      *matrix, PackedMatrix::Pack(view.dtype, view.rows, view.cols, view.bytes, *pool, release));
  return absl::OkStatus();
}

absl::Status PackInto(const model::GgufFile& file, const model::LinearWeights& from,
                      kernels::ThreadPool* pool, PackedLinear* to) {
  if (!from.matrix.present()) return absl::OkStatus();
  to->bias = from.bias.f32();
  return PackInto(file, from.matrix, pool, &to->matrix);
}

PackedNorm PackedNormOf(const model::NormWeights& from) {
  return {from.weight.f32(), from.bias.f32(), from.weight.cols};
}

Bytes SizeOf(std::span<const float> vector) {
  return Bytes(static_cast<int64_t>(vector.size_bytes()));
}

Bytes SizeOf(const PackedNorm& norm) { return SizeOf(norm.weight) + SizeOf(norm.bias); }
// Of `count` matrices of the same size, one below the other.
absl::Status PackEach(const model::GgufFile& file, const model::WeightView& all, int64_t count,
                      kernels::ThreadPool* pool, std::vector<PackedMatrix>* matrices) {
  model::WeightView one = all;
  one.rows = all.rows / count;
  const size_t bytes = all.bytes.size() / static_cast<size_t>(count);
  matrices->resize(static_cast<size_t>(count));
  for (size_t i = 0; i < matrices->size(); ++i) {
    one.bytes = all.bytes.subspan(i * bytes, bytes);
    WL_RETURN_IF_ERROR(PackInto(file, one, pool, &(*matrices)[i]));
  }
  return absl::OkStatus();
}

absl::Status PackInto(const model::GgufFile& file, const model::ExpertWeights& from,
                      kernels::ThreadPool* pool, PackedExperts* to) {
  if (!from.present()) return absl::OkStatus();
  const int64_t count = from.router.matrix.rows;
  WL_RETURN_IF_ERROR(PackInto(file, from.router, pool, &to->router));
  WL_RETURN_IF_ERROR(PackEach(file, from.gate.matrix, count, pool, &to->gate));
  WL_RETURN_IF_ERROR(PackEach(file, from.up.matrix, count, pool, &to->up));
  WL_RETURN_IF_ERROR(PackEach(file, from.down.matrix, count, pool, &to->down));
  to->gate_bias = from.gate.bias.f32();
  to->up_bias = from.up.bias.f32();
  to->down_bias = from.down.bias.f32();
  to->selection_bias = from.selection_bias.f32();
  return PackInto(file, from.shared_gate, pool, &to->shared_gate);
}

// A head's rows of attn_kv_b hold its keys' matrix, which is needed transposed: in f32, since
// blocks of quantised types lie along rows.
absl::Status PackJoint(const model::WeightView& joint, const model::LatentPlan& plan,
                       kernels::ThreadPool* pool, PackedLatent* to) {
  const int64_t rank = plan.kv_rank, plain = plan.plain_dim, each = plain + plan.value_dim;
  const int64_t heads = joint.rows / each;
  const size_t row_bytes = joint.bytes.size() / static_cast<size_t>(joint.rows);
  std::vector<float> rows(static_cast<size_t>(plain * rank)), turned(rows.size());
  for (int64_t h = 0; h < heads; ++h) {
    const auto bytes = joint.bytes.subspan(h * each * row_bytes, each * row_bytes);
    kernels::Dequantize(joint.dtype, bytes.data(), plain * rank, rows.data());
    for (int64_t r = 0; r < plain; ++r) {
      for (int64_t c = 0; c < rank; ++c) turned[c * plain + r] = rows[r * rank + c];
    }
    WL_ASSIGN_OR_RETURN(PackedMatrix keys,
                        PackedMatrix::Pack(kernels::DType::kF32, rank, plain,
                                           std::as_bytes(std::span(turned)), *pool));
    WL_ASSIGN_OR_RETURN(PackedMatrix values,
                        PackedMatrix::Pack(joint.dtype, plan.value_dim, rank,
                                           bytes.subspan(plain * row_bytes), *pool));
    to->k_up.push_back(std::move(keys));
    to->v_up.push_back(std::move(values));
  }
  return absl::OkStatus();
}

absl::Status PackInto(const model::GgufFile& file, const model::LatentWeights& from,
                      const model::ModelShape& shape, kernels::ThreadPool* pool, PackedLatent* to) {
  if (!from.present()) return absl::OkStatus();
  WL_RETURN_IF_ERROR(PackInto(file, from.q_down, pool, &to->q_down));
  WL_RETURN_IF_ERROR(PackInto(file, from.kv_down, pool, &to->kv_down));
  to->q_norm = PackedNormOf(from.q_norm);
  to->kv_norm = PackedNormOf(from.kv_norm);
  if (from.kv_up.matrix.present()) {
    return PackJoint(from.kv_up.matrix, shape.latent, pool, to);
  }
  WL_RETURN_IF_ERROR(PackEach(file, from.k_up.matrix, shape.heads, pool, &to->k_up));
  return PackEach(file, from.v_up.matrix, shape.heads, pool, &to->v_up);
}

}  // namespace

Bytes PackedLatent::size() const {
  Bytes sum = q_down.matrix.bytes() + kv_down.matrix.bytes();
  for (const auto* matrices : {&k_up, &v_up}) {
    for (const PackedMatrix& matrix : *matrices) sum += matrix.bytes();
  }
  for (const auto& vector : {q_down.bias, kv_down.bias, q_norm.weight, kv_norm.weight}) {
    sum += SizeOf(vector);
  }
  return sum;
}

Bytes PackedExperts::size() const {
  Bytes sum = router.matrix.bytes() + shared_gate.matrix.bytes();
  for (const auto* matrices : {&gate, &up, &down}) {
    for (const PackedMatrix& matrix : *matrices) sum += matrix.bytes();
  }
  for (const auto& vector : {router.bias, gate_bias, up_bias, down_bias, selection_bias}) {
    sum += SizeOf(vector);
  }
  return sum;
}

Bytes PackedLayer::size() const {
  Bytes sum = experts.size() + latent.size() + SizeOf(sinks);
  for (const PackedLinear* linear : linears()) {
    sum += linear->matrix.bytes() + SizeOf(linear->bias);
  }
  for (const PackedNorm* norm :
       {&attention_norm, &q_norm, &k_norm, &attention_post_norm, &ffn_norm, &ffn_post_norm}) {
    sum += SizeOf(*norm);
  }
  return sum;
}

absl::StatusOr<std::shared_ptr<const PackedModel>> PackedModel::Load(
    std::shared_ptr<const model::GgufFile> file, LayerRange range, kernels::ThreadPool* pool) {
  std::shared_ptr<PackedModel> packed(new PackedModel());
  WL_ASSIGN_OR_RETURN(packed->weights_, model::BindWeights(std::move(file)));
  WL_RETURN_IF_ERROR(packed->weights_.Runnable());
  const int64_t layers = packed->weights_.shape.layers;
  if (range.first < 0 || range.first >= range.end || range.end > layers) {
    return absl::InvalidArgumentError(absl::StrCat("layers ", range.first, " to ", range.end,
                                                   " (exclusive) out of range [0, ", layers, ")"));
  }
  packed->range_ = range;
  WL_RETURN_IF_ERROR(packed->Pack(pool));
  packed->fingerprint_ = FingerprintOf(*packed->weights_.file);
  return std::shared_ptr<const PackedModel>(std::move(packed));
}

absl::Status PackedModel::Pack(kernels::ThreadPool* pool) {
  const model::GgufFile& file = *weights_.file;
  layers_.resize(range_.count());
  for (int64_t i = range_.first; i < range_.end; ++i) {
    const model::LayerWeights& from = weights_.layers[i];
    PackedLayer& to = layers_[i - range_.first];
    const std::pair<const model::LinearWeights*, PackedLinear*> linears[] = {
        {&from.q, &to.q},           {&from.k, &to.k},       {&from.v, &to.v},
        {&from.output, &to.output}, {&from.gate, &to.gate}, {&from.up, &to.up},
        {&from.down, &to.down}};
    for (const auto& [weights, linear] : linears) {
      WL_RETURN_IF_ERROR(PackInto(file, *weights, pool, linear));
    }
    WL_RETURN_IF_ERROR(PackInto(file, from.experts, pool, &to.experts));
    WL_RETURN_IF_ERROR(PackInto(file, from.latent, weights_.shape, pool, &to.latent));
    to.sinks = from.sinks.f32();
    to.attention_norm = PackedNormOf(from.attention_norm);
    to.q_norm = PackedNormOf(from.q_norm);
    to.k_norm = PackedNormOf(from.k_norm);
    to.attention_post_norm = PackedNormOf(from.attention_post_norm);
    to.ffn_norm = PackedNormOf(from.ffn_norm);
    to.ffn_post_norm = PackedNormOf(from.ffn_post_norm);
  }
  output_norm_ = PackedNormOf(weights_.output_norm);
  if (range_.end < weights_.shape.layers) return absl::OkStatus();
  return PackInto(file, weights_.output, pool, &head_);
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

const PackedMatrix& PackedModel::head() const {
  WL_CHECK(range_.end == weights_.shape.layers);
  return head_;
}

Bytes PackedModel::WeightsOf(LayerRange range) const {
  WL_CHECK(range.first >= range_.first && range.end <= range_.end);
  Bytes sum;
  for (int64_t i = range.first; i < range.end; ++i) sum += layer(i).size();
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

}  // namespace waferline::shard
