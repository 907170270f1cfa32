#include "wafer_backend/compute/kernels/experts.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline::kernels {

Experts::Experts(const Shape& shape)
    : shape_(shape),
      products_({shape.hidden, shape.ffn, shape.experts, shape.max_rows * shape.chosen}) {
  const auto places = static_cast<size_t>(shape.max_rows * shape.chosen);
  experts_.resize(places);
  weights_.resize(places);
  places_.resize(places);
  outer_.resize(places * static_cast<size_t>(shape.hidden));
}

Bytes Experts::working_bytes() const {
  const int64_t places = shape_.max_rows * shape_.chosen;
  return Bytes(places * 4 * (3 + shape_.hidden)) + products_.working_bytes();
}

void Experts::Add(const ExpertWeights& weights, const Step& step, ThreadPool& pool,
                  Scratch& scratch) {
  WL_CHECK(step.router.experts == shape_.experts && step.router.chosen == shape_.chosen);
  WL_CHECK(step.elsewhere != nullptr || weights.count() == shape_.experts);
  WL_CHECK(step.first_own + weights.count() <= shape_.experts);
  WL_CHECK(step.rows <= shape_.max_rows);
  if (step.rows == 0) return;
  Route(step, pool);
  Place(step);
  Gather(step, pool);
  if (step.elsewhere != nullptr) step.elsewhere->Start(step.layer, begin_, outer_.data());
  const auto own = std::span(begin_).subspan(static_cast<size_t>(step.first_own),
                                             static_cast<size_t>(weights.count() + 1));
  products_.Apply({weights, step.activation, own, outer_.data()}, pool, scratch);
  if (step.elsewhere != nullptr) step.elsewhere->Finish(outer_.data());
  Sum(step, pool);
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

void Experts::Sum(const Step& step, ThreadPool& pool) {
  const int64_t chosen = step.router.chosen;
  pool.ParallelFor(step.rows, Bytes(chosen * shape_.hidden * 4), [&](int64_t row, int) {
    float* const y = step.y + row * shape_.hidden;
    for (int64_t i = row * chosen; i < (row + 1) * chosen; ++i) {
      const float* const given = outer_.data() + places_[i] * shape_.hidden;
      AddScaled(step.weigh_inputs ? 1.0f : weights_[i], given, shape_.hidden, y);
    }
  });
}

}  // namespace waferline::kernels
