// What a sample of numbers comes to, where all of it is in memory; log_histogram.h is for samples
// that are not. Pure, any thread. O(n log n).
#pragma once

#include <vector>

namespace waferline {

// In the sample's own unit; percentiles interpolate linearly between order statistics, as numpy
// does. All 0 for an empty sample.
struct SampleSummary {
  double mean = 0, median = 0, std = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};
SampleSummary Summarize(std::vector<double> sample);

}  // namespace waferline
