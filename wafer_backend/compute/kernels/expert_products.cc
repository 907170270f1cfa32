#include "wafer_backend/compute/kernels/expert_products.h"

#include <algorithm>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/activations.h"

namespace waferline::kernels {
namespace {

// The expert whose rows hold `row`.
int64_t ExpertOf(std::span<const int64_t> begin, int64_t row) {
  return std::upper_bound(begin.begin(), begin.end(), row) - begin.begin() - 1;
}

}  // namespace

ExpertProducts::ExpertProducts(const Shape& shape) : shape_(shape) {
  gate_.resize(static_cast<size_t>(shape.max_rows * shape.ffn));
  up_.resize(gate_.size());
}

Bytes ExpertProducts::working_bytes() const {
  // Rows are multiplied in groups, of which each expert may have one that is nearly empty.
  const int64_t rows = shape_.max_rows;
  const int64_t group_rows = rows + kMaxColumns * std::min(shape_.experts, rows);
  return Bytes(rows * shape_.ffn * 8 + 5 * group_rows * std::max(shape_.hidden, shape_.ffn));
}

void ExpertProducts::Apply(const Task& task, ThreadPool& pool, Scratch& scratch) {
  const ExpertWeights& weights = task.weights;
  const int64_t experts = weights.count(), first = task.begin.front();
  WL_CHECK(static_cast<int64_t>(task.begin.size()) == experts + 1);
  WL_CHECK(task.begin.back() - first <= shape_.max_rows);
  if (task.begin.back() == first) return;
  const auto rows_of = [&](int64_t e) { return task.begin[e + 1] - task.begin[e]; };
  const auto inner_of = [&](std::vector<float>& inner, int64_t e) {
    return inner.data() + (task.begin[e] - first) * shape_.ffn;
  };
  products_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    products_.push_back({&weights.gate[e], inner_of(gate_, e)});
    products_.push_back({&weights.up[e], inner_of(up_, e)});
  }
  batches_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    batches_.push_back({std::span(products_).subspan(static_cast<size_t>(2 * e), 2),
                        task.rows + task.begin[e] * shape_.hidden, rows_of(e)});
  }
  MatMul(batches_, pool, scratch);
  Activate(task, pool);
  products_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    products_.push_back({&weights.down[e], task.rows + task.begin[e] * shape_.hidden});
  }
  batches_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    batches_.push_back(
        {std::span(products_).subspan(static_cast<size_t>(e), 1), inner_of(gate_, e), rows_of(e)});
  }
  MatMul(batches_, pool, scratch);
  if (!weights.down_bias.empty()) AddBiases(task, pool);
}

void ExpertProducts::Activate(const Task& task, ThreadPool& pool) {
  const ExpertWeights& weights = task.weights;
  const int64_t first = task.begin.front();
  pool.ParallelFor(task.begin.back() - first, Bytes(shape_.ffn * 8), [&](int64_t row, int) {
    float* const gate = gate_.data() + row * shape_.ffn;
    float* const up = up_.data() + row * shape_.ffn;
    const int64_t bias_at = ExpertOf(task.begin, first + row) * shape_.ffn;
    if (!weights.gate_bias.empty()) {
      AddTo(weights.gate_bias.data() + bias_at, shape_.ffn, gate);
    }
    if (!weights.up_bias.empty()) AddTo(weights.up_bias.data() + bias_at, shape_.ffn, up);
    Gate(task.activation, gate, up, shape_.ffn, gate);
  });
}

void ExpertProducts::AddBiases(const Task& task, ThreadPool& pool) {
  const int64_t first = task.begin.front(), hidden = shape_.hidden;
  pool.ParallelFor(task.begin.back() - first, Bytes(hidden * 8), [&](int64_t row, int) {
    const int64_t expert = ExpertOf(task.begin, first + row);
    AddTo(task.weights.down_bias.data() + expert * hidden, hidden,
          task.rows + (first + row) * hidden);
  });
}

}  // namespace waferline::kernels
