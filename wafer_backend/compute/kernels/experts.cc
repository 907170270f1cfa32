#include "wafer_backend/compute/kernels/experts.h"

#include <algorithm>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/activations.h"

namespace waferline::kernels {

Experts::Experts(const Shape& shape) : shape_(shape) {
  const auto places = static_cast<size_t>(shape.max_rows * shape.chosen);
  experts_.resize(places);
  weights_.resize(places);
  places_.resize(places);
  expert_at_.resize(places);
  outer_.resize(places * static_cast<size_t>(shape.hidden));
  gate_.resize(places * static_cast<size_t>(shape.ffn));
  up_.resize(places * static_cast<size_t>(shape.ffn));
}

Bytes Experts::working_bytes() const {
  const int64_t places = shape_.max_rows * shape_.chosen;
  const int64_t own = places * 4 * (4 + shape_.hidden + 2 * shape_.ffn);
  // Rows are multiplied in groups, of which each expert may have one that is nearly empty.
  const int64_t group_rows = places + kMaxColumns * std::min(shape_.experts, places);
  return Bytes(own + 5 * group_rows * std::max(shape_.hidden, shape_.ffn));
}

void Experts::Add(const ExpertWeights& weights, const Step& step, ThreadPool& pool,
                  Scratch& scratch) {
  WL_CHECK(step.router.experts == shape_.experts && step.router.chosen == shape_.chosen);
  WL_CHECK(static_cast<int64_t>(weights.gate.size()) == shape_.experts);
  WL_CHECK(step.rows <= shape_.max_rows);
  if (step.rows == 0) return;
  Route(step, pool);
  Place(step);
  Gather(step, pool);
  Multiply(weights, step, pool, scratch);
  Sum(weights, step, pool);
}

void Experts::Route(const Step& step, ThreadPool& pool) {
  const Router& router = step.router;
  pool.ParallelFor(step.rows, Bytes(router.experts * 16), [&](int64_t row, int) {
    ChooseExperts(router, step.logits + row * router.experts, experts_.data() + row * router.chosen,
                  weights_.data() + row * router.chosen);
  });
}

// Places of one expert are neighbours, its rows in order.
void Experts::Place(const Step& step) {
  const int64_t used = step.rows * step.router.chosen;
  begin_.assign(static_cast<size_t>(step.router.experts + 1), 0);
  for (int64_t i = 0; i < used; ++i) ++begin_[experts_[i] + 1];
  for (int64_t e = 0; e < static_cast<int64_t>(step.counts.size()); ++e) {
    step.counts[e] += begin_[e + 1];
  }
  for (int64_t e = 0; e < step.router.experts; ++e) begin_[e + 1] += begin_[e];
  std::vector<int64_t> next(begin_.begin(), begin_.end() - 1);
  for (int64_t i = 0; i < used; ++i) {
    const int64_t place = next[experts_[i]]++;
    places_[i] = static_cast<int32_t>(place);
    expert_at_[place] = experts_[i];
  }
}

void Experts::Gather(const Step& step, ThreadPool& pool) {
  const int64_t chosen = step.router.chosen;
  pool.ParallelFor(step.rows, Bytes(chosen * shape_.hidden * 4), [&](int64_t row, int) {
    const float* from = step.x + row * shape_.hidden;
    for (int64_t i = row * chosen; i < (row + 1) * chosen; ++i) {
      float* const to = outer_.data() + places_[i] * shape_.hidden;
      std::copy_n(from, shape_.hidden, to);
      if (step.weigh_inputs) Scale(weights_[i], shape_.hidden, to);
    }
  });
}

void Experts::Multiply(const ExpertWeights& weights, const Step& step, ThreadPool& pool,
                       Scratch& scratch) {
  const int64_t experts = step.router.experts;
  const auto rows_of = [&](int64_t e) { return begin_[e + 1] - begin_[e]; };
  products_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    products_.push_back({&weights.gate[e], gate_.data() + begin_[e] * shape_.ffn});
    products_.push_back({&weights.up[e], up_.data() + begin_[e] * shape_.ffn});
  }
  batches_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    batches_.push_back({std::span(products_).subspan(static_cast<size_t>(2 * e), 2),
                        outer_.data() + begin_[e] * shape_.hidden, rows_of(e)});
  }
  MatMul(batches_, pool, scratch);
  Activate(weights, step, pool);
  products_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    products_.push_back({&weights.down[e], outer_.data() + begin_[e] * shape_.hidden});
  }
  batches_.clear();
  for (int64_t e = 0; e < experts; ++e) {
    batches_.push_back({std::span(products_).subspan(static_cast<size_t>(e), 1),
                        gate_.data() + begin_[e] * shape_.ffn, rows_of(e)});
  }
  MatMul(batches_, pool, scratch);
}

void Experts::Activate(const ExpertWeights& weights, const Step& step, ThreadPool& pool) {
  pool.ParallelFor(begin_.back(), Bytes(shape_.ffn * 8), [&](int64_t place, int) {
    float* const gate = gate_.data() + place * shape_.ffn;
    float* const up = up_.data() + place * shape_.ffn;
    const int64_t bias_at = expert_at_[place] * shape_.ffn;
    if (!weights.gate_bias.empty()) {
      AddTo(weights.gate_bias.data() + bias_at, shape_.ffn, gate);
    }
    if (!weights.up_bias.empty()) AddTo(weights.up_bias.data() + bias_at, shape_.ffn, up);
    Gate(step.activation, gate, up, shape_.ffn, gate);
  });
}

void Experts::Sum(const ExpertWeights& weights, const Step& step, ThreadPool& pool) {
  const int64_t chosen = step.router.chosen;
  pool.ParallelFor(step.rows, Bytes(chosen * shape_.hidden * 4), [&](int64_t row, int) {
    float* const y = step.y + row * shape_.hidden;
    for (int64_t i = row * chosen; i < (row + 1) * chosen; ++i) {
      float* const given = outer_.data() + places_[i] * shape_.hidden;
      if (!weights.down_bias.empty()) {
        AddTo(weights.down_bias.data() + experts_[i] * shape_.hidden, shape_.hidden, given);
      }
      AddScaled(step.weigh_inputs ? 1.0f : weights_[i], given, shape_.hidden, y);
    }
  });
}

}  // namespace waferline::kernels
