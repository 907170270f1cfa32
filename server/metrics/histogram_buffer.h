// Observations of one thread that reach Prometheus in one call: its own Observe would lock for
// each. A value; one thread.
#pragma once

#include <prometheus/histogram.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "wafer_backend/base/units.h"

namespace waferline::metrics {

class HistogramBuffer {
 public:
  explicit HistogramBuffer(const std::vector<double>& bounds)
      : bounds_(&bounds), counts_(bounds.size() + 1) {}

  void Observe(Nanoseconds value) {
    Observe(value.as_double() / 1e9);  // exact at bounds, unlike a product
  }
  void Observe(double value) {
    const auto bucket = std::lower_bound(bounds_->begin(), bounds_->end(), value);
    counts_[static_cast<size_t>(bucket - bounds_->begin())] += 1;
    sum_ += value;
    any_ = true;
  }

  // Adds everything to each of `targets`, which have the same bounds, and resets to zero.
  template <typename Targets>
  void MoveTo(const Targets& targets) {
    if (!any_) return;
    for (prometheus::Histogram* target : targets) target->ObserveMultiple(counts_, sum_);
    std::fill(counts_.begin(), counts_.end(), 0.0);
    sum_ = 0;
    any_ = false;
  }

 private:
  const std::vector<double>* bounds_;
  std::vector<double> counts_;
  double sum_ = 0;
  bool any_ = false;
};

}  // namespace waferline::metrics
