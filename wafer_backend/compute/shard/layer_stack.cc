#include "wafer_backend/compute/shard/layer_stack.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/shard/step_rows.h"

namespace waferline::shard {

using kernels::MatMul;

LayerStack::LayerStack(std::shared_ptr<const PackedModel> model, const Options& options,
                       kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      shape_(model_->shape()),
      kv_(shape_, options.range, options.page_tokens, options.max_rows),
      row_pages_(kv_),
      rotations_(shape_, options.max_rows),
      pool_(pool) {
  WL_CHECK(kv_.layout().Check().ok());
  if (!options.feed_forward_elsewhere) {
    feed_forward_.emplace(shape_, options.max_rows,
                          options.experts.count() > 0 ? options.experts : model_->experts());
  }
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
  const int64_t ffn = feed_forward_ ? shape_.ffn : 0;
  const int64_t widest = std::max({shape_.hidden, shape_.q_width(), ffn});
  const Bytes attention = kernels::AttentionWorkingBytes(shape_.heads, kv_.layout());
  int64_t floats = 2 * shape_.hidden + shape_.q_width() + shape_.kv_stored();
  if (shape_.value_dim > 0) floats += shape_.heads * shape_.value_dim;
  // The bounds that matrix.h states: 5 bytes an input element; 100 KiB a thread.
  const Bytes own = Bytes(options_.max_rows * (4 * floats + 5 * widest)) +
                    pool_->threads() * (Bytes(100 << 10) + attention);
  return own + rotations_.working_bytes() + (latent_ ? latent_->working_bytes() : Bytes()) +
         (feed_forward_ ? feed_forward_->working_bytes() : Bytes());
}

void LayerStack::NormRows(const PackedNorm& norm, int64_t rows, const float* hidden) {
  if (!norm.present()) return;
  const int64_t width = shape_.hidden;
  EachRow(*pool_, rows, 2 * width, [&](int64_t row) {
    Norm(hidden + row * width, norm, width, normed_.data() + row * width);
  });
}

// Positions and pages of all rows; returns how many there are.
int64_t LayerStack::SetRows(std::span<const Run> runs) {
  positions_.clear();
  for (const Run& run : runs) {
    WL_CHECK(run.pages->Holds(run.first_position, run.first_position + run.rows));
    for (int64_t i = 0; i < run.rows; ++i) {
      positions_.push_back(static_cast<int32_t>(run.first_position + i));
    }
  }
  const auto rows = static_cast<int64_t>(positions_.size());
  WL_CHECK(rows <= options_.max_rows);
  row_pages_.Find(runs);
  rotations_.SetPositions(positions_);
  return rows;
}

// As even as can be; a run may be cut, for in each layer its first rows store their KV first.
void LayerStack::CutIntoBatches(std::span<const Run> runs, int64_t rows) {
  batches_.clear();
  queries_.clear();
  query_pages_.clear();
  const int64_t parts = std::min(options_.micro_batches, rows);
  auto run = runs.begin();
  int64_t taken = 0;  // of the run's rows
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = rows * part / parts, end = rows * (part + 1) / parts;
    const size_t first_query = queries_.size();
    for (int64_t row = first; row < end;) {
      const int64_t count = std::min(run->rows - taken, end - row);
      AddQueries(*run, taken, count, row - first);
      row += count;
      taken += count;
      if (taken < run->rows) continue;
      ++run;
      taken = 0;
    }
    batches_.push_back({first, end - first, first_query, queries_.size() - first_query});
  }
}

void LayerStack::Forward(std::span<const Run> runs, float* hidden) {
  const int64_t rows = SetRows(runs);
  if (rows == 0) return;
  CutIntoBatches(runs, rows);
  const bool some_kv_only =
      std::any_of(runs.begin(), runs.end(), [](const Run& run) { return run.kv_only > 0; });
  WL_CHECK(!some_kv_only || (options_.range.end == shape_.layers && batches_.size() == 1));
  NormRows(LayerAt(0).attention_norm, rows, hidden);
  const int64_t last = options_.range.count() - 1;
  for (int64_t i = 0; i <= last; ++i) {
    for (MicroBatch& batch : batches_) {
      BetweenLayers();
      if (i > 0) FinishFeed(i - 1, batch, hidden);
      if (i == last && some_kv_only) {
        ComputeLastQkv(i, runs, &batch, hidden);
        if (batch.rows == 0) return;
      } else {
        ComputeQkv(i, batch, hidden);
      }
      Mix(i, batch, hidden);
      StartFeed(i, batch, hidden);
    }
  }
  for (const MicroBatch& batch : batches_) FinishFeed(last, batch, hidden);
}

void LayerStack::AddBranch(const PackedNorm& norm, int64_t row, float* hidden) {
  const int64_t width = shape_.hidden;
  float* const added = added_.data() + row * width;
  if (norm.present()) Norm(added, norm, width, added);
  if (shape_.residual_scale == 1) {
    kernels::AddTo(added, width, hidden + row * width);
  } else {
    kernels::AddScaled(static_cast<float>(shape_.residual_scale), added, width,
                       hidden + row * width);
  }
}

// The feed-forward part, here or elsewhere, of what the batch's rows now are.
void LayerStack::StartFeed(int64_t index, const MicroBatch& batch, const float* hidden) {
  const PackedLayer& layer = LayerAt(index);
  const int64_t number = options_.range.first + index;
  const PackedNorm& norm = shape_.parallel_branches ? layer.attention_norm : layer.ffn_norm;
  const float* const x = Normed(norm, batch, hidden);
  if (!feed_forward_) return elsewhere_->Start(number, x, batch.rows);
  float* const y = added_.data() + batch.first_row * shape_.hidden;
  feed_forward_->Run({&layer, number, x, batch.rows, y, pool_, &scratch_});
}

// Adds what the feed-forward part gave; then the next layer's norm.
void LayerStack::FinishFeed(int64_t index, const MicroBatch& batch, float* hidden) {
  const PackedLayer& layer = LayerAt(index);
  const int64_t width = shape_.hidden;
  if (!feed_forward_) elsewhere_->Finish(added_.data() + batch.first_row * width);
  const bool last = index + 1 == options_.range.count();
  EachRow(*pool_, batch.rows, 3 * width, [&](int64_t i) {
    const int64_t row = batch.first_row + i;
    AddBranch(layer.ffn_post_norm, row, hidden);
    if (last || !LayerAt(index + 1).attention_norm.present()) return;
    Norm(hidden + row * width, LayerAt(index + 1).attention_norm, width,
         normed_.data() + row * width);
  });
}

const float* LayerStack::OutputRows(const float* hidden, int64_t rows) {
  WL_CHECK(rows <= options_.max_rows);
  NormRows(model_->output_norm(), rows, hidden);
  return normed_.data();
}

void LayerStack::Logits(const float* hidden, int64_t rows, float* logits) {
  MatMul(model_->head(), OutputRows(hidden, rows), logits, rows, *pool_, scratch_);
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
