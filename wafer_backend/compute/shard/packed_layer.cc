#include "wafer_backend/compute/shard/packed_layer.h"

#include <utility>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/kernels/dequantize.h"

namespace waferline::shard {
namespace {

using kernels::PackedMatrix;

absl::Status PackInto(const PackSource& source, const model::LinearWeights& from,
                      PackedLinear* to) {
  if (!from.matrix.present()) return absl::OkStatus();
  to->bias = from.bias.f32();
  return PackMatrix(source, from.matrix, &to->matrix);
}

Bytes SizeOf(std::span<const float> vector) {
  return Bytes(static_cast<int64_t>(vector.size_bytes()));
}

Bytes SizeOf(const PackedLinear& linear) { return linear.matrix.bytes() + SizeOf(linear.bias); }

// Of `count` matrices of the same size, one below the other.
absl::Status PackEach(const PackSource& source, const model::WeightView& all, int64_t count,
                      std::vector<PackedMatrix>* matrices) {
  model::WeightView one = all;
  one.rows = all.rows / count;
  const size_t bytes = all.bytes.size() / static_cast<size_t>(count);
  matrices->resize(static_cast<size_t>(count));
  for (size_t i = 0; i < matrices->size(); ++i) {
    one.bytes = all.bytes.subspan(i * bytes, bytes);
    WL_RETURN_IF_ERROR(PackMatrix(source, one, &(*matrices)[i]));
  }
  return absl::OkStatus();
}

// A part of what all experts have so many elements of each.
std::span<const float> BiasesOf(std::span<const float> all, int64_t each, ExpertRange range) {
  if (all.empty()) return {};
  return all.subspan(static_cast<size_t>(range.first * each),
                     static_cast<size_t>(range.count() * each));
}

// A head's rows of attn_kv_b hold its keys' matrix, which is needed transposed: in f32, since
// blocks of quantised types lie along rows.
absl::Status PackJoint(const PackSource& source, const model::WeightView& joint,
                       const model::LatentPlan& plan, PackedLatent* to) {
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
                                           std::as_bytes(std::span(turned)), *source.pool));
    WL_ASSIGN_OR_RETURN(PackedMatrix values,
                        PackedMatrix::Pack(joint.dtype, plan.value_dim, rank,
                                           bytes.subspan(plain * row_bytes), *source.pool));
    to->k_up.push_back(std::move(keys));
    to->v_up.push_back(std::move(values));
  }
  return absl::OkStatus();
}

absl::Status PackInto(const PackSource& source, const model::LatentWeights& from,
                      const model::ModelShape& shape, PackedLatent* to) {
  if (!from.present()) return absl::OkStatus();
  WL_RETURN_IF_ERROR(PackInto(source, from.q_down, &to->q_down));
  WL_RETURN_IF_ERROR(PackInto(source, from.kv_down, &to->kv_down));
  to->q_norm = PackedNormOf(from.q_norm);
  to->kv_norm = PackedNormOf(from.kv_norm);
  if (from.kv_up.matrix.present()) {
    return PackJoint(source, from.kv_up.matrix, shape.latent, to);
  }
  WL_RETURN_IF_ERROR(PackEach(source, from.k_up.matrix, shape.heads, &to->k_up));
  return PackEach(source, from.v_up.matrix, shape.heads, &to->v_up);
}

}  // namespace

PackedNorm PackedNormOf(const model::NormWeights& from) {
  return {from.weight.f32(), from.bias.f32(), from.weight.cols};
}

Bytes SizeOf(const PackedNorm& norm) { return SizeOf(norm.weight) + SizeOf(norm.bias); }

absl::Status PackMatrix(const PackSource& source, const model::WeightView& view,
                        PackedMatrix* matrix) {
  if (source.stop != nullptr && *source.stop) return absl::CancelledError("loading was ended");
  const auto release = [&source](std::span<const std::byte> part) { source.file->Release(part); };
  WL_ASSIGN_OR_RETURN(*matrix, PackedMatrix::Pack(view.dtype, view.rows, view.cols, view.bytes,
                                                  *source.pool, release));
  return absl::OkStatus();
}

absl::Status PackAttention(const PackSource& source, const model::LayerWeights& from,
                           const model::ModelShape& shape, PackedLayer* to) {
  WL_RETURN_IF_ERROR(PackInto(source, from.q, &to->q));
  WL_RETURN_IF_ERROR(PackInto(source, from.k, &to->k));
  WL_RETURN_IF_ERROR(PackInto(source, from.v, &to->v));
  WL_RETURN_IF_ERROR(PackInto(source, from.output, &to->output));
  WL_RETURN_IF_ERROR(PackInto(source, from.latent, shape, &to->latent));
  to->sinks = from.sinks.f32();
  to->attention_norm = PackedNormOf(from.attention_norm);
  to->q_norm = PackedNormOf(from.q_norm);
  to->k_norm = PackedNormOf(from.k_norm);
  to->attention_post_norm = PackedNormOf(from.attention_post_norm);
  to->ffn_norm = PackedNormOf(from.ffn_norm);
  to->ffn_post_norm = PackedNormOf(from.ffn_post_norm);
  return absl::OkStatus();
}

absl::Status PackFeedForward(const PackSource& source, const model::LayerWeights& from,
                             PackedLayer* to) {
  WL_RETURN_IF_ERROR(PackInto(source, from.gate, &to->gate));
  WL_RETURN_IF_ERROR(PackInto(source, from.up, &to->up));
  WL_RETURN_IF_ERROR(PackInto(source, from.down, &to->down));
  WL_RETURN_IF_ERROR(PackInto(source, from.experts.router, &to->experts.router));
  return PackInto(source, from.experts.shared_gate, &to->experts.shared_gate);
}

absl::Status PackExperts(const PackSource& source, const model::ExpertWeights& from,
                         ExpertRange range, PackedExperts* to) {
  if (!from.present()) return absl::OkStatus();
  const std::pair<const model::ExpertMatrices*, std::vector<PackedMatrix>*> kinds[] = {
      {&from.gate, &to->gate}, {&from.up, &to->up}, {&from.down, &to->down}};
  for (const auto& [all, packed] : kinds) {
    packed->resize(static_cast<size_t>(range.count()));
    for (int64_t e = range.first; e < range.end; ++e) {
      WL_RETURN_IF_ERROR(PackMatrix(source, all->matrices[e], &(*packed)[e - range.first]));
    }
  }
  to->first = range.first;
  to->gate_bias = from.gate.bias.f32();
  to->up_bias = from.up.bias.f32();
  to->down_bias = from.down.bias.f32();
  to->selection_bias = from.selection_bias.f32();
  return absl::OkStatus();
}

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

kernels::ExpertWeights PackedExperts::weights(ExpertRange range) const {
  const auto part = [&](const std::vector<PackedMatrix>& held) {
    return std::span(held).subspan(static_cast<size_t>(range.first - first),
                                   static_cast<size_t>(range.count()));
  };
  const int64_t ffn = gate[0].rows(), hidden = down[0].rows();
  return {part(gate),
          part(up),
          part(down),
          BiasesOf(gate_bias, ffn, range),
          BiasesOf(up_bias, ffn, range),
          BiasesOf(down_bias, hidden, range)};
}

Bytes PackedExperts::size(ExpertRange range) const {
  if (!present()) return Bytes();
  const kernels::ExpertWeights part = weights(range);
  Bytes sum;
  for (const auto& matrices : {part.gate, part.up, part.down}) {
    for (const PackedMatrix& matrix : matrices) sum += matrix.bytes();
  }
  return sum + SizeOf(part.gate_bias) + SizeOf(part.up_bias) + SizeOf(part.down_bias);
}

Bytes PackedExperts::router_size() const {
  return router.matrix.bytes() + shared_gate.matrix.bytes() + SizeOf(router.bias) +
         SizeOf(selection_bias);
}

Bytes PackedLayer::attention_size() const {
  Bytes sum = latent.size() + SizeOf(sinks) + SizeOf(q) + SizeOf(k) + SizeOf(v) + SizeOf(output);
  for (const PackedNorm* norm :
       {&attention_norm, &q_norm, &k_norm, &attention_post_norm, &ffn_norm, &ffn_post_norm}) {
    sum += SizeOf(*norm);
  }
  return sum;
}

Bytes PackedLayer::feed_forward_size(ExpertRange held) const {
  return SizeOf(gate) + SizeOf(up) + SizeOf(down) + experts.router_size() + experts.size(held);
}

}  // namespace waferline::shard
