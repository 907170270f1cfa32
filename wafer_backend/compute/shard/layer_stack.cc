#include "wafer_backend/compute/shard/layer_stack.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/shard/step_rows.h"

namespace waferline::shard {

using kernels::MatMul;
using kernels::Product;

LayerStack::LayerStack(std::shared_ptr<const PackedModel> model, const Options& options,
                       kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      shape_(model_->shape()),
      kv_(shape_, options.range, options.page_tokens, options.max_rows),
      row_pages_(kv_),
      rotations_(shape_, options.max_rows),
      pool_(pool),
      feed_forward_(shape_, options.max_rows,
                    options.experts.count() > 0 ? options.experts : model_->experts()) {
  WL_CHECK(kv_.layout().Check().ok());
  const auto take = [&](std::vector<float>* array, int64_t width) {
    array->resize(static_cast<size_t>(options.max_rows * width));
  };
  take(&normed_, shape_.hidden);
  take(&added_, shape_.hidden);
  take(&q_, std::max(shape_.q_width(), shape_.heads * shape_.latent.value_dim));
  take(&k_, shape_.kv_width());
  if (!kv_.layout().values_in_keys) take(&v_, shape_.kv_heads * kv_.layout().value_width());
  if (shape_.value_dim > 0) take(&mixed_, shape_.heads * shape_.value_dim);
  if (shape_.latent.kv_rank > 0) latent_.emplace(shape_, options.max_rows);
}

Bytes LayerStack::working_bytes() const {
  const int64_t widest = std::max({shape_.hidden, shape_.q_width(), shape_.ffn});
  const Bytes attention = kernels::AttentionWorkingBytes(shape_.heads, kv_.layout());
  int64_t floats = 2 * shape_.hidden + shape_.q_width() + shape_.kv_stored();
  if (shape_.value_dim > 0) floats += shape_.heads * shape_.value_dim;
  // The bounds that matrix.h states: 5 bytes an input element; 100 KiB a thread.
  const Bytes own = Bytes(options_.max_rows * (4 * floats + 5 * widest)) +
                    pool_->threads() * (Bytes(100 << 10) + attention);
  return own + rotations_.working_bytes() + feed_forward_.working_bytes() +
         (latent_ ? latent_->working_bytes() : Bytes());
}

void LayerStack::Norm(const float* x, const PackedNorm& norm, int64_t width, float* y) const {
  const auto epsilon = static_cast<float>(shape_.norm_epsilon);
  const bool own_weights = static_cast<int64_t>(norm.weight.size()) > norm.size;
  for (int64_t at = 0; at < width; at += norm.size) {
    const float* const weight = norm.weight.data() + (own_weights ? at : 0);
    const float* const bias = norm.bias.empty() ? nullptr : norm.bias.data();
    if (shape_.norm == model::NormKind::kLayer) {
      kernels::LayerNorm({weight, bias, epsilon}, x + at, norm.size, y + at);
      continue;
    }
    kernels::RmsNorm(x + at, weight, epsilon, norm.size, y + at);
    if (bias != nullptr) kernels::AddTo(bias, norm.size, y + at);
  }
}

void LayerStack::NormRows(const PackedNorm& norm, int64_t rows, const float* hidden) {
  if (!norm.present()) return;
  const int64_t width = shape_.hidden;
  EachRow(*pool_, rows, 2 * width, [&](int64_t row) {
    Norm(hidden + row * width, norm, width, normed_.data() + row * width);
  });
}

void LayerStack::Forward(std::span<const Run> runs, float* hidden) {
  positions_.clear();
  queries_.clear();
  query_pages_.clear();
  int64_t rows = 0, kv_only = 0;
  for (const Run& run : runs) {
    WL_CHECK(run.pages->Holds(run.first_position, run.first_position + run.rows));
    AddQueries(run, 0, rows);
    for (int64_t i = 0; i < run.rows; ++i) {
      positions_.push_back(static_cast<int32_t>(run.first_position + i));
    }
    rows += run.rows;
    kv_only += run.kv_only;
    WL_CHECK(rows <= options_.max_rows);
  }
  if (rows == 0) return;
  row_pages_.Find(runs);
  WL_CHECK(kv_only == 0 || options_.range.end == shape_.layers);
  rotations_.SetPositions(positions_);
  NormRows(LayerAt(0).attention_norm, rows, hidden);
  const int64_t last = options_.range.count() - 1;
  for (int64_t i = 0; i < last; ++i, BetweenLayers()) {
    ComputeQkv(i, rows, hidden);
    Mix(i, rows, hidden);
    Feed(i, rows, hidden);
  }
  if (kv_only == 0) {
    ComputeQkv(last, rows, hidden);
  } else {
    rows = ComputeLastQkv(last, runs, rows, hidden);
  }
  if (rows == 0) return;
  Mix(last, rows, hidden);
  Feed(last, rows, hidden);
}

// The queries of a run's rows behind the `skipped` first ones, which lie from `first_row` on. Their
// pages are those of the layer at hand (Mix).
void LayerStack::AddQueries(const Run& run, int64_t skipped, int64_t first_row) {
  float* const queries = q_.data() + first_row * shape_.q_width();
  float* const out =
      shape_.value_dim > 0 ? mixed_.data() + first_row * shape_.heads * shape_.value_dim : queries;
  queries_.push_back({nullptr, run.first_position + skipped, run.rows - skipped, queries, out});
  query_pages_.push_back(run.pages);
}

LatentAttention::Step LayerStack::LatentStep(int64_t index, int64_t rows) {
  const float* const cos_sin = rotations_.cos_sin(PlanAt(index).rotary);
  return {&LayerAt(index), normed_.data(), cos_sin, rows, pool_, &scratch_};
}

void LayerStack::ComputeLatentKv(int64_t index, int64_t rows) {
  latent_->Keys(LatentStep(index, rows), k_.data());
  EachRow(*pool_, rows, shape_.kv_width(), [&](int64_t row) {
    row_pages_.Store(index, row, k_.data() + row * shape_.kv_width(), nullptr);
  });
}

void LayerStack::ComputeQkv(int64_t index, int64_t rows, const float* hidden) {
  if (latent_) {
    ComputeLatentKv(index, rows);
    return latent_->Queries(LatentStep(index, rows), q_.data());
  }
  const PackedLayer& layer = LayerAt(index);
  const Product qkv[] = {
      {&layer.q.matrix, q_.data()}, {&layer.k.matrix, k_.data()}, {&layer.v.matrix, v_.data()}};
  MatMul(qkv, Normed(layer.attention_norm, hidden), rows, *pool_, scratch_);
  EachRow(*pool_, rows, shape_.q_width() + 2 * shape_.kv_width(), [&](int64_t row) {
    FinishQ(index, row);
    FinishKv(index, row);
  });
}

// KV of all rows, then queries of the wanted ones alone. Returns how many these are.
int64_t LayerStack::ComputeLastQkv(int64_t index, std::span<const Run> runs, int64_t rows,
                                   float* hidden) {
  if (latent_) {
    ComputeLatentKv(index, rows);
    const int64_t wanted = MoveWantedUp(runs, hidden);
    latent_->Queries(LatentStep(index, wanted), q_.data());
    return wanted;
  }
  const PackedLayer& layer = LayerAt(index);
  const Product kv[] = {{&layer.k.matrix, k_.data()}, {&layer.v.matrix, v_.data()}};
  MatMul(kv, Normed(layer.attention_norm, hidden), rows, *pool_, scratch_);
  EachRow(*pool_, rows, 2 * shape_.kv_width(), [&](int64_t row) { FinishKv(index, row); });
  const int64_t wanted = MoveWantedUp(runs, hidden);
  MatMul(layer.q.matrix, Normed(layer.attention_norm, hidden), q_.data(), wanted, *pool_, scratch_);
  EachRow(*pool_, wanted, shape_.q_width(), [&](int64_t row) { FinishQ(index, row); });
  return wanted;
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
    if (wanted > 0) AddQueries(run, run.kv_only, to);
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

void LayerStack::FinishQ(int64_t index, int64_t row) {
  const PackedLayer& layer = LayerAt(index);
  float* const q = q_.data() + row * shape_.q_width();
  AddBias(layer.q, q);
  FinishHeads(index, layer.q_norm, shape_.heads, row, q);
  if (PlanAt(index).query_growth) {
    const auto growth = static_cast<float>(shape_.query_growth.At(positions_[row]));
    kernels::Scale(growth, shape_.q_width(), q);
  }
}

void LayerStack::FinishKv(int64_t index, int64_t row) {
  const PackedLayer& layer = LayerAt(index);
  float* const k = k_.data() + row * shape_.kv_width();
  float* const v = v_.data() + row * shape_.kv_width();
  AddBias(layer.k, k);
  AddBias(layer.v, v);
  FinishHeads(index, layer.k_norm, shape_.kv_heads, row, k);
  row_pages_.Store(index, row, k, v);
}

void LayerStack::AddBranch(const PackedLinear& last, const PackedNorm& norm, int64_t row,
                           float* hidden) {
  const int64_t width = shape_.hidden;
  float* const added = added_.data() + row * width;
  AddBias(last, added);
  if (norm.present()) Norm(added, norm, width, added);
  if (shape_.residual_scale == 1) {
    kernels::AddTo(added, width, hidden + row * width);
  } else {
    kernels::AddScaled(static_cast<float>(shape_.residual_scale), added, width,
                       hidden + row * width);
  }
}

// Attention and its output matrix; then the norm of the feed-forward part.
void LayerStack::Mix(int64_t index, int64_t rows, float* hidden) {
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
  for (size_t i = 0; i < queries_.size(); ++i) queries_[i].pages = query_pages_[i]->data(group);
  kernels::Attend(attention, kv_.groups()[group].layout, place, queries_, *pool_, scratch_);
  if (latent_) latent_->Values(LatentStep(index, rows), mixed_.data(), q_.data());
  MatMul(layer.output.matrix, q_.data(), added_.data(), rows, *pool_, scratch_);
  EachRow(*pool_, rows, 3 * width, [&](int64_t row) {
    AddBranch(layer.output, layer.attention_post_norm, row, hidden);
    if (!layer.ffn_norm.present()) return;
    Norm(hidden + row * width, layer.ffn_norm, width, normed_.data() + row * width);
  });
}

// The feed-forward part; then the next layer's norm.
void LayerStack::Feed(int64_t index, int64_t rows, float* hidden) {
  const PackedLayer& layer = LayerAt(index);
  const int64_t width = shape_.hidden;
  const PackedNorm& norm = shape_.parallel_branches ? layer.attention_norm : layer.ffn_norm;
  feed_forward_.Run({&layer, options_.range.first + index, Normed(norm, hidden), rows,
                     added_.data(), pool_, &scratch_});
  const bool last = index + 1 == options_.range.count();
  EachRow(*pool_, rows, 3 * width, [&](int64_t row) {
    AddBranch(layer.down, layer.ffn_post_norm, row, hidden);
    if (last || !LayerAt(index + 1).attention_norm.present()) return;
    Norm(hidden + row * width, LayerAt(index + 1).attention_norm, width,
         normed_.data() + row * width);
  });
}

void LayerStack::Logits(const float* hidden, int64_t rows, float* logits) {
  WL_CHECK(rows <= options_.max_rows);
  NormRows(model_->output_norm(), rows, hidden);
  MatMul(model_->head(), normed_.data(), logits, rows, *pool_, scratch_);
  if (shape_.logit_scale == 1 && shape_.logit_softcap == 0) return;
  EachRow(*pool_, rows, shape_.vocabulary, [&](int64_t row) {
    float* const y = logits + row * shape_.vocabulary;
    if (shape_.logit_scale != 1) {
      kernels::Scale(static_cast<float>(shape_.logit_scale), shape_.vocabulary, y);
    }
    if (shape_.logit_softcap > 0) {
      kernels::SoftCap(static_cast<float>(shape_.logit_softcap), shape_.vocabulary, y);
    }
  });
}

}  // namespace waferline::shard
