// The attention of a LayerStack's layers.
#include <algorithm>

#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/shard/layer_stack.h"
#include "wafer_backend/compute/shard/step_rows.h"

namespace waferline::shard {

using kernels::MatMul;
using kernels::Product;

// The queries of `rows` of a run's rows behind the `skipped` first ones, the batch's from
// `first_row` on. Their pages are those of the layer at hand (Mix).
void LayerStack::AddQueries(const Run& run, int64_t skipped, int64_t rows, int64_t first_row) {
  float* const queries = q_.data() + first_row * shape_.q_width();
  float* const out =
      shape_.value_dim > 0 ? mixed_.data() + first_row * shape_.heads * shape_.value_dim : queries;
  queries_.push_back({nullptr, run.first_position + skipped, rows, queries, out});
  query_pages_.push_back(run.pages);
}

LatentAttention::Step LayerStack::LatentStep(int64_t index, const MicroBatch& batch) {
  return {&LayerAt(index),
          normed_.data() + batch.first_row * shape_.hidden,
          rotations_.cos_sin(PlanAt(index).rotary, batch.first_row),
          batch.rows,
          pool_,
          &scratch_};
}

void LayerStack::ComputeLatentKv(int64_t index, const MicroBatch& batch) {
  latent_->Keys(LatentStep(index, batch), k_.data());
  EachRow(*pool_, batch.rows, shape_.kv_width(), [&](int64_t row) {
    row_pages_.Store(index, batch.first_row + row, k_.data() + row * shape_.kv_width(), nullptr);
  });
}

void LayerStack::ComputeQkv(int64_t index, const MicroBatch& batch, const float* hidden) {
  if (latent_) {
    ComputeLatentKv(index, batch);
    return latent_->Queries(LatentStep(index, batch), q_.data());
  }
  const PackedLayer& layer = LayerAt(index);
  const Product qkv[] = {
      {&layer.q.matrix, q_.data()}, {&layer.k.matrix, k_.data()}, {&layer.v.matrix, v_.data()}};
  MatMul(qkv, Normed(layer.attention_norm, batch, hidden), batch.rows, *pool_, scratch_);
  EachRow(*pool_, batch.rows, shape_.q_width() + 2 * shape_.kv_width(), [&](int64_t row) {
    FinishQ(index, batch, row);
    FinishKv(index, batch, row);
  });
}

// KV of all rows, then queries of the wanted ones alone, which then are the batch.
void LayerStack::ComputeLastQkv(int64_t index, std::span<const Run> runs, MicroBatch* batch,
                                float* hidden) {
  const PackedLayer& layer = LayerAt(index);
  if (latent_) {
    ComputeLatentKv(index, *batch);
  } else {
    const Product kv[] = {{&layer.k.matrix, k_.data()}, {&layer.v.matrix, v_.data()}};
    MatMul(kv, Normed(layer.attention_norm, *batch, hidden), batch->rows, *pool_, scratch_);
    EachRow(*pool_, batch->rows, 2 * shape_.kv_width(),
            [&](int64_t row) { FinishKv(index, *batch, row); });
  }
  batch->rows = MoveWantedUp(runs, hidden);
  batch->queries = queries_.size();
  if (latent_) return latent_->Queries(LatentStep(index, *batch), q_.data());
  MatMul(layer.q.matrix, Normed(layer.attention_norm, *batch, hidden), q_.data(), batch->rows,
         *pool_, scratch_);
  EachRow(*pool_, batch->rows, shape_.q_width(), [&](int64_t row) { FinishQ(index, *batch, row); });
}

// Moves the rows that are not `kv_only` to the front, in order, and makes queries of them alone.
int64_t LayerStack::MoveWantedUp(std::span<const Run> runs, float* hidden) {
  queries_.clear();
  query_pages_.clear();
  int64_t from = 0, to = 0;
  for (const Run& run : runs) {
    const int64_t wanted = run.rows - run.kv_only;
    from += run.kv_only;
    const auto move = [&](auto* array, int64_t width) {
      std::copy_n(array + from * width, wanted * width, array + to * width);
    };
    if (to < from) {
      move(hidden, shape_.hidden);
      move(normed_.data(), shape_.hidden);
      move(positions_.data(), 1);
      rotations_.MoveUp(from, to, wanted);
    }
    if (wanted > 0) AddQueries(run, run.kv_only, wanted, to);
    from += wanted;
    to += wanted;
  }
  return to;
}

// Norms and turns the heads of one row of queries or keys.
void LayerStack::FinishHeads(int64_t index, const PackedNorm& norm, int64_t heads, int64_t row,
                             float* values) const {
  const int64_t dim = shape_.head_dim;
  if (norm.present()) Norm(values, norm, heads * dim, values);
  const model::LayerPlan& plan = PlanAt(index);
  for (int64_t h = 0; plan.plain_head_norms && h < heads; ++h) {
    kernels::RmsNorm(values + h * dim, nullptr, static_cast<float>(shape_.norm_epsilon), dim,
                     values + h * dim);
  }
  if (plan.rotary != model::LayerPlan::kNoRotary) rotations_.Turn(plan.rotary, row, heads, values);
}

void LayerStack::FinishQ(int64_t index, const MicroBatch& batch, int64_t row) {
  const int64_t at = batch.first_row + row;
  const PackedLayer& layer = LayerAt(index);
  float* const q = q_.data() + row * shape_.q_width();
  AddBias(layer.q, q);
  FinishHeads(index, layer.q_norm, shape_.heads, at, q);
  if (PlanAt(index).query_growth) {
    const auto growth = static_cast<float>(shape_.query_growth.At(positions_[at]));
    kernels::Scale(growth, shape_.q_width(), q);
  }
}

void LayerStack::FinishKv(int64_t index, const MicroBatch& batch, int64_t row) {
  const int64_t at = batch.first_row + row;
  const PackedLayer& layer = LayerAt(index);
  float* const k = k_.data() + row * shape_.kv_width();
  float* const v = v_.data() + row * shape_.kv_width();
  AddBias(layer.k, k);
  AddBias(layer.v, v);
  FinishHeads(index, layer.k_norm, shape_.kv_heads, at, k);
  row_pages_.Store(index, at, k, v);
}

// Attention and its output matrix; then the norm of the feed-forward part.
void LayerStack::Mix(int64_t index, const MicroBatch& batch, float* hidden) {
  const PackedLayer& layer = LayerAt(index);
  const int64_t width = shape_.hidden;
  const kernels::AttentionShape attention{
      .heads = shape_.heads,
      .scale = static_cast<float>(shape_.attention_scale),
      .softcap = static_cast<float>(shape_.attention_softcap),
      .window = PlanAt(index).window,
      .chunk = PlanAt(index).chunk,
      .sinks = layer.sinks.empty() ? nullptr : layer.sinks.data()};
  const auto [group, place] = kv_.place(index);
  const size_t end = batch.first_query + batch.queries;
  for (size_t i = batch.first_query; i < end; ++i) queries_[i].pages = query_pages_[i]->data(group);
  kernels::Attend(attention, kv_.groups()[group].layout, place,
                  std::span(queries_).subspan(batch.first_query, batch.queries), *pool_, scratch_);
  if (latent_) latent_->Values(LatentStep(index, batch), mixed_.data(), q_.data());
  MatMul(layer.output.matrix, q_.data(), added_.data() + batch.first_row * width, batch.rows,
         *pool_, scratch_);
  EachRow(*pool_, batch.rows, 3 * width, [&](int64_t i) {
    const int64_t row = batch.first_row + i;
    AddBias(layer.output, added_.data() + row * width);
    AddBranch(layer.attention_post_norm, row, hidden);
    if (!layer.ffn_norm.present()) return;
    Norm(hidden + row * width, layer.ffn_norm, width, normed_.data() + row * width);
  });
}

}  // namespace waferline::shard
