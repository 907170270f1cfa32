#include "wafer_backend/base/sample_summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace waferline {

SampleSummary Summarize(std::vector<double> sample) {
  if (sample.empty()) return {};
  std::sort(sample.begin(), sample.end());
  const auto percentile = [&](double share) {
    const double rank = share * static_cast<double>(sample.size() - 1);
    const auto below = static_cast<size_t>(rank);
    const size_t above = std::min(below + 1, sample.size() - 1);
    return sample[below] + (sample[above] - sample[below]) * (rank - static_cast<double>(below));
  };
  SampleSummary summary{.median = percentile(0.5),
                        .p90 = percentile(0.9),
                        .p95 = percentile(0.95),
                        .p99 = percentile(0.99),
                        .max = sample.back()};
  const auto count = static_cast<double>(sample.size());
  for (const double value : sample) summary.mean += value / count;
  double variance = 0;
  for (const double value : sample) {
    variance += (value - summary.mean) * (value - summary.mean) / count;
  }
  summary.std = std::sqrt(variance);
  return summary;
}

}  // namespace waferline
