#include "wafer_backend/compute/shard/layer_stack.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rows.h"

namespace waferline::shard {
namespace {

using kernels::MatMul;
using kernels::Product;

std::vector<double> FrequenciesOf(const model::ModelShape& shape) {
  std::vector<double> frequencies =
      kernels::RotaryFrequencies(shape.head_dim, shape.rope_theta, shape.rope_frequency_factors);
  for (double& frequency : frequencies) frequency /= shape.rope_linear_factor;
  return frequencies;
}

}  // namespace

LayerStack::LayerStack(std::shared_ptr<const PackedModel> model, const Options& options,
                       kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      shape_(model_->shape()),
      layout_{.layers = options.range.count(),
              .kv_heads = shape_.kv_heads,
              .head_dim = shape_.head_dim,
              .page_tokens = options.page_tokens},
      frequencies_(FrequenciesOf(shape_)),
      rotary_(shape_.rope_kind == model::RopeKind::kNorm ? kernels::RotaryKind::kNorm
                                                         : kernels::RotaryKind::kNeox),
      pool_(pool) {
  WL_CHECK(layout_.Check().ok());
  const auto take = [&](std::vector<float>* array, int64_t width) {
    array->resize(static_cast<size_t>(options.max_rows * width));
  };
  take(&normed_, shape_.hidden);
  take(&added_, shape_.hidden);
  take(&q_, shape_.q_width());
  take(&k_, shape_.kv_width());
  take(&v_, shape_.kv_width());
  take(&gate_, shape_.ffn);
  take(&up_, shape_.ffn);
  take(&cos_sin_, shape_.head_dim);
}

Bytes LayerStack::working_bytes() const {
  const int64_t widest = std::max({shape_.hidden, shape_.q_width(), shape_.ffn});
  const int64_t floats = 2 * shape_.hidden + shape_.q_width() + 2 * shape_.kv_width() +
                         2 * shape_.ffn + shape_.head_dim;
  // The bounds that matrix.h and attention.h state: 5 bytes an input element; 100 KiB and 256 KiB a
  // thread.
  return Bytes(options_.max_rows * (4 * floats + 5 * widest) +
               pool_->threads() * ((100 + 256) << 10));
}

template <typename Body>
void LayerStack::EachRow(int64_t rows, int64_t floats_each, Body body) {
  // Neighbours stay together: the keys of a prompt's next positions share cache lines.
  const int64_t together = std::clamp<int64_t>(rows / (4 * pool_->threads()), 1, 16);
  const int64_t tasks = (rows + together - 1) / together;
  pool_->ParallelFor(tasks, Bytes(together * floats_each * 4), [&](int64_t task, int) {
    const int64_t end = std::min(rows, (task + 1) * together);
    for (int64_t row = task * together; row < end; ++row) body(row);
  });
}

void LayerStack::Norm(const float* x, std::span<const float> weight, float* y) const {
  kernels::RmsNorm(x, weight.data(), static_cast<float>(shape_.norm_epsilon),
                   static_cast<int64_t>(weight.size()), y);
}

void LayerStack::Forward(std::span<const Run> runs, float* hidden) {
  positions_.clear();
  kv_page_.clear();
  queries_.clear();
  int64_t rows = 0, kv_only = 0;
  for (const Run& run : runs) {
    WL_CHECK(PagesFor(run.first_position + run.rows, options_.page_tokens) <= run.pages->count());
    AddQueries(run, 0, rows);
    for (int64_t i = 0; i < run.rows; ++i) {
      const int64_t position = run.first_position + i;
      positions_.push_back(static_cast<int32_t>(position));
      kv_page_.push_back(run.pages->page(position / options_.page_tokens));
    }
    rows += run.rows;
    kv_only += run.kv_only;
    WL_CHECK(rows <= options_.max_rows);
  }
  if (rows == 0) return;
  WL_CHECK(kv_only == 0 || options_.range.end == shape_.layers);
  kernels::RotaryAngles(frequencies_, positions_, cos_sin_.data());
  const std::span<const float> first_norm = model_->layer(options_.range.first).attention_norm;
  EachRow(rows, 2 * shape_.hidden, [&](int64_t row) {
    Norm(hidden + row * shape_.hidden, first_norm, normed_.data() + row * shape_.hidden);
  });
  const int64_t last = options_.range.count() - 1;
  for (int64_t i = 0; i < last; ++i) {
    ComputeQkv(i, rows);
    MixAndFeed(i, rows, hidden);
  }
  if (kv_only == 0) {
    ComputeQkv(last, rows);
  } else {
    rows = ComputeLastQkv(last, runs, rows, hidden);
  }
  MixAndFeed(last, rows, hidden);
}

// The queries of a run's rows behind the `skipped` first ones, which lie from `first_row` on.
void LayerStack::AddQueries(const Run& run, int64_t skipped, int64_t first_row) {
  float* const queries = q_.data() + first_row * shape_.q_width();
  queries_.push_back(
      {run.pages->data(), run.first_position + skipped, run.rows - skipped, queries, queries});
}

void LayerStack::ComputeQkv(int64_t index, int64_t rows) {
  const PackedLayer& layer = model_->layer(options_.range.first + index);
  const Product qkv[] = {{&layer.q, q_.data()}, {&layer.k, k_.data()}, {&layer.v, v_.data()}};
  MatMul(qkv, normed_.data(), rows, *pool_, scratch_);
  EachRow(rows, shape_.q_width() + 2 * shape_.kv_width(), [&](int64_t row) {
    FinishQ(layer, row);
    FinishKv(layer, index, row);
  });
}

// KV of all rows, then queries of the wanted ones alone. Returns how many these are.
int64_t LayerStack::ComputeLastQkv(int64_t index, std::span<const Run> runs, int64_t rows,
                                   float* hidden) {
  const PackedLayer& layer = model_->layer(options_.range.first + index);
  const Product kv[] = {{&layer.k, k_.data()}, {&layer.v, v_.data()}};
  MatMul(kv, normed_.data(), rows, *pool_, scratch_);
  EachRow(rows, 2 * shape_.kv_width(), [&](int64_t row) { FinishKv(layer, index, row); });
  const int64_t wanted = MoveWantedUp(runs, hidden);
  MatMul(layer.q, normed_.data(), q_.data(), wanted, *pool_, scratch_);
  EachRow(wanted, shape_.q_width(), [&](int64_t row) { FinishQ(layer, row); });
  return wanted;
}

// Moves the rows that are not `kv_only` to the front, in order, and makes queries of them alone.
int64_t LayerStack::MoveWantedUp(std::span<const Run> runs, float* hidden) {
  queries_.clear();
  int64_t from = 0, to = 0;
  for (const Run& run : runs) {
    const int64_t wanted = run.rows - run.kv_only;
    from += run.kv_only;
    const auto move = [&](float* array, int64_t width) {
      std::copy_n(array + from * width, wanted * width, array + to * width);
    };
    if (to < from) {
      move(hidden, shape_.hidden);
      move(normed_.data(), shape_.hidden);
      move(cos_sin_.data(), shape_.head_dim);
    }
    if (wanted > 0) AddQueries(run, run.kv_only, to);
    from += wanted;
    to += wanted;
  }
  return to;
}

void LayerStack::FinishQ(const PackedLayer& layer, int64_t row) {
  const int64_t dim = shape_.head_dim;
  float* const q = q_.data() + row * shape_.q_width();
  if (!layer.q_bias.empty()) kernels::AddTo(layer.q_bias.data(), shape_.q_width(), q);
  if (!layer.q_norm.empty()) {
    for (int64_t h = 0; h < shape_.heads; ++h) Norm(q + h * dim, layer.q_norm, q + h * dim);
  }
  kernels::ApplyRotary(rotary_, cos_sin_.data() + row * dim, shape_.heads, dim, dim, q);
}

void LayerStack::FinishKv(const PackedLayer& layer, int64_t index, int64_t row) {
  const int64_t dim = shape_.head_dim;
  float* const k = k_.data() + row * shape_.kv_width();
  float* const v = v_.data() + row * shape_.kv_width();
  if (!layer.q_bias.empty()) {
    kernels::AddTo(layer.k_bias.data(), shape_.kv_width(), k);
    kernels::AddTo(layer.v_bias.data(), shape_.kv_width(), v);
  }
  if (!layer.q_norm.empty()) {
    for (int64_t h = 0; h < shape_.kv_heads; ++h) Norm(k + h * dim, layer.k_norm, k + h * dim);
  }
  kernels::ApplyRotary(rotary_, cos_sin_.data() + row * dim, shape_.kv_heads, dim, dim, k);
  kernels::StoreKv(layout_, kv_page_[row], index, positions_[row] % options_.page_tokens, k, v);
}

// Attention, its output matrix and the feed-forward part; then the next layer's norm.
void LayerStack::MixAndFeed(int64_t index, int64_t rows, float* hidden) {
  if (rows == 0) return;
  const int64_t layer_index = options_.range.first + index;
  const PackedLayer& layer = model_->layer(layer_index);
  const PackedLayer* const next =
      layer_index + 1 < options_.range.end ? &model_->layer(layer_index + 1) : nullptr;
  const int64_t width = shape_.hidden;
  const kernels::AttentionShape attention{
      shape_.heads, static_cast<float>(1 / std::sqrt(static_cast<double>(shape_.head_dim)))};
  kernels::Attend(attention, layout_, index, queries_, *pool_, scratch_);
  MatMul(layer.output, q_.data(), added_.data(), rows, *pool_, scratch_);
  EachRow(rows, 3 * width, [&](int64_t row) {
    kernels::AddTo(added_.data() + row * width, width, hidden + row * width);
    Norm(hidden + row * width, layer.ffn_norm, normed_.data() + row * width);
  });
  const Product gate_up[] = {{&layer.gate, gate_.data()}, {&layer.up, up_.data()}};
  MatMul(gate_up, normed_.data(), rows, *pool_, scratch_);
  EachRow(rows, 2 * shape_.ffn, [&](int64_t row) {
    float* const gate = gate_.data() + row * shape_.ffn;
    kernels::Gate(kernels::Activation::kSilu, gate, up_.data() + row * shape_.ffn, shape_.ffn,
                  gate);
  });
  MatMul(layer.down, gate_.data(), added_.data(), rows, *pool_, scratch_);
  EachRow(rows, 3 * width, [&](int64_t row) {
    kernels::AddTo(added_.data() + row * width, width, hidden + row * width);
    if (next != nullptr) {
      Norm(hidden + row * width, next->attention_norm, normed_.data() + row * width);
    }
  });
}

void LayerStack::Logits(const float* hidden, int64_t rows, float* logits) {
  WL_CHECK(rows <= options_.max_rows);
  EachRow(rows, 2 * shape_.hidden, [&](int64_t row) {
    Norm(hidden + row * shape_.hidden, model_->output_norm(), normed_.data() + row * shape_.hidden);
  });
  MatMul(model_->head(), normed_.data(), logits, rows, *pool_, scratch_);
}

}  // namespace waferline::shard
