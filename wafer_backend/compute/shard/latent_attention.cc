#include "wafer_backend/compute/shard/latent_attention.h"

#include <algorithm>

#include "wafer_backend/compute/kernels/rows.h"

namespace waferline::shard {

using kernels::MatMul;

LatentAttention::LatentAttention(const model::ModelShape& shape, int64_t max_rows)
    : shape_(shape), plan_(shape.latent), max_rows_(max_rows) {
  const auto take = [&](std::vector<float>* array, int64_t width) {
    array->resize(static_cast<size_t>(max_rows * width));
  };
  take(&down_, std::max(plan_.query_rank, plan_.kv_rank + plan_.rotary_dim));
  take(&q_, shape.heads * (plan_.plain_dim + plan_.rotary_dim));
  take(&by_head_, shape.heads * std::max(plan_.plain_dim, plan_.kv_rank));
  take(&by_head_out_, shape.heads * std::max(plan_.kv_rank, plan_.value_dim));
}

Bytes LatentAttention::working_bytes() const {
  const size_t floats = down_.size() + q_.size() + by_head_.size() + by_head_out_.size();
  // Each head's rows are laid out in groups of up to 12, of which one may be nearly empty; matrix.h
  // takes 5 bytes an element.
  const int64_t widest = std::max(plan_.plain_dim, plan_.kv_rank);
  return Bytes(static_cast<int64_t>(floats) * 4 + 5 * shape_.heads * (max_rows_ + 12) * widest);
}

void LatentAttention::Norm(const PackedNorm& norm, float* row) const {
  kernels::RmsNorm(row, norm.weight.data(), static_cast<float>(shape_.norm_epsilon),
                   static_cast<int64_t>(norm.weight.size()), row);
}

void LatentAttention::Keys(const Step& step, float* keys) {
  const PackedLatent& latent = step.layer->latent;
  const int64_t rank = plan_.kv_rank, rotary = plan_.rotary_dim, width = rank + rotary;
  MatMul(latent.kv_down.matrix, step.x, down_.data(), step.rows, *step.pool, *step.scratch);
  step.pool->ParallelFor(step.rows, Bytes(width * 8), [&](int64_t row, int) {
    float* const down = down_.data() + row * width;
    float* const key = keys + row * width;
    if (!latent.kv_down.bias.empty()) kernels::AddTo(latent.kv_down.bias.data(), width, down);
    Norm(latent.kv_norm, down);
    std::copy_n(down + rank, rotary, key);
    kernels::ApplyRotary(kernels::RotaryKind::kNorm, step.cos_sin + row * rotary, 1, rotary, rotary,
                         key);
    std::copy_n(down, rank, key + rotary);
  });
}

void LatentAttention::MultiplyHeads(std::span<const kernels::PackedMatrix> matrices,
                                    const Step& step) {
  const int64_t in = matrices[0].cols(), out = matrices[0].rows();
  products_.clear();
  for (int64_t h = 0; h < shape_.heads; ++h) {
    products_.push_back({&matrices[h], by_head_out_.data() + h * step.rows * out});
  }
  batches_.clear();
  for (int64_t h = 0; h < shape_.heads; ++h) {
    batches_.push_back({std::span(products_).subspan(static_cast<size_t>(h), 1),
                        by_head_.data() + h * step.rows * in, step.rows});
  }
  MatMul(batches_, *step.pool, *step.scratch);
}

void LatentAttention::Queries(const Step& step, float* queries) {
  const PackedLatent& latent = step.layer->latent;
  const int64_t rank = plan_.kv_rank, rotary = plan_.rotary_dim, plain = plan_.plain_dim;
  const int64_t heads = shape_.heads, head = plain + rotary;
  const float* x = step.x;
  if (latent.q_down.present()) {
    MatMul(latent.q_down.matrix, x, down_.data(), step.rows, *step.pool, *step.scratch);
    step.pool->ParallelFor(step.rows, Bytes(plan_.query_rank * 8), [&](int64_t row, int) {
      float* const down = down_.data() + row * plan_.query_rank;
      if (!latent.q_down.bias.empty()) {
        kernels::AddTo(latent.q_down.bias.data(), plan_.query_rank, down);
      }
      Norm(latent.q_norm, down);
    });
    x = down_.data();
  }
  MatMul(step.layer->q.matrix, x, q_.data(), step.rows, *step.pool, *step.scratch);
  const std::span<const float> bias = step.layer->q.bias;
  step.pool->ParallelFor(step.rows, Bytes(heads * head * 12), [&](int64_t row, int) {
    float* const q = q_.data() + row * heads * head;
    if (!bias.empty()) kernels::AddTo(bias.data(), heads * head, q);
    for (int64_t h = 0; h < heads; ++h) {
      std::copy_n(q + h * head, plain, by_head_.data() + (h * step.rows + row) * plain);
      float* const query = queries + (row * heads + h) * (rotary + rank);
      std::copy_n(q + h * head + plain, rotary, query);
      kernels::ApplyRotary(kernels::RotaryKind::kNorm, step.cos_sin + row * rotary, 1, rotary,
                           rotary, query);
    }
  });
  MultiplyHeads(latent.k_up, step);
  step.pool->ParallelFor(step.rows, Bytes(heads * rank * 8), [&](int64_t row, int) {
    for (int64_t h = 0; h < heads; ++h) {
      std::copy_n(by_head_out_.data() + (h * step.rows + row) * rank, rank,
                  queries + (row * heads + h) * (rotary + rank) + rotary);
    }
  });
}

void LatentAttention::Values(const Step& step, const float* sums, float* y) {
  const int64_t rank = plan_.kv_rank, width = plan_.value_dim, heads = shape_.heads;
  step.pool->ParallelFor(step.rows, Bytes(heads * rank * 8), [&](int64_t row, int) {
    for (int64_t h = 0; h < heads; ++h) {
      std::copy_n(sums + (row * heads + h) * rank, rank,
                  by_head_.data() + (h * step.rows + row) * rank);
    }
  });
  MultiplyHeads(step.layer->latent.v_up, step);
  step.pool->ParallelFor(step.rows, Bytes(heads * width * 8), [&](int64_t row, int) {
    for (int64_t h = 0; h < heads; ++h) {
      std::copy_n(by_head_out_.data() + (h * step.rows + row) * width, width,
                  y + (row * heads + h) * width);
    }
  });
}

}  // namespace waferline::shard
