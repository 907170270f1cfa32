// What latent attention (model::LatentPlan) does around the attention of the latent itself: queries
// and what is stored of rows, and the way from heads' sums of latents to heads' values.
//
// A row's result does not depend on the other rows of a call. Owner: a LayerStack, whose thread,
// pool and scratch memory it uses. Memory: `working_bytes`, for up to `max_rows` rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rotary.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::shard {

class LatentAttention {
 public:
  LatentAttention(const model::ModelShape& shape, int64_t max_rows);

  // Rows of a layer: x f32 [rows][hidden], the normed input; cos_sin f32 [rows][rotary_dim], the
  // angles of their positions.
  struct Step {
    const PackedLayer* layer;
    const float* x;
    const float* cos_sin;
    int64_t rows;
    kernels::ThreadPool* pool;
    kernels::Scratch* scratch;
  };
  // keys: f32 [rows][rotary_dim + kv_rank]; the last kv_rank are the value as well.
  void Keys(const Step& step, float* keys);
  // queries: f32 [rows][heads][rotary_dim + kv_rank].
  void Queries(const Step& step, float* queries);
  // sums: f32 [rows][heads][kv_rank]; y: f32 [rows][heads][value_dim].
  void Values(const Step& step, const float* sums, float* y);

  Bytes working_bytes() const;

 private:
  void Norm(const PackedNorm& norm, float* row) const;
  // y[h][row] = matrices[h] * x[h][row]: by_head_ to by_head_out_.
  void MultiplyHeads(std::span<const kernels::PackedMatrix> matrices, const Step& step);

  const model::ModelShape& shape_;
  const model::LatentPlan& plan_;
  const int64_t max_rows_;
  // f32, each [max_rows] rows wide as named.
  std::vector<float> down_;         // query_rank, or kv_rank + rotary_dim
  std::vector<float> q_;            // heads * (plain_dim + rotary_dim)
  std::vector<float> by_head_;      // heads * the wider of plain_dim and kv_rank
  std::vector<float> by_head_out_;  // heads * the wider of kv_rank and value_dim
  std::vector<kernels::Product> products_;
  std::vector<kernels::Batch> batches_;
};

}  // namespace waferline::shard
