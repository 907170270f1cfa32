#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "wafer_backend/base/log_histogram.h"
#include "wafer_backend/base/sample_summary.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline {
namespace {

TEST_CASE("percentiles interpolate as numpy does") {
  const SampleSummary summary = Summarize({4, 1, 3, 2});
  CHECK(summary.mean == Approx(2.5));
  CHECK(summary.median == Approx(2.5));
  CHECK(summary.std == Approx(1.118033988749895));
  CHECK(summary.p90 == Approx(3.7));
  CHECK(summary.p99 == Approx(3.97));
  CHECK(summary.max == 4);
  CHECK(Summarize({7}).p99 == 7);
  CHECK(Summarize({}).mean == 0);
}

TEST_CASE("a percentile of the histogram is within a thousandth of the exact one") {
  SeededStream random(3);
  LogHistogram histogram;
  std::vector<int64_t> values;
  double sum = 0;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<int64_t>(std::exp(random.Uniform() * 30)));
    sum += static_cast<double>(values.back());
    histogram.Add(Nanoseconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.0001, 0.01, 0.5, 0.9, 0.999, 1.0}) {
    const size_t rank = static_cast<size_t>(std::ceil(share * 50'000)) - 1;
    REQUIRE(histogram.Percentile(share).as_double() ==
            Approx(static_cast<double>(values[rank])).epsilon(0.001).margin(1));
  }
  REQUIRE(histogram.mean_ns() == Approx(sum / 50'000));
  REQUIRE(histogram.max().count() == values.back());
  REQUIRE(histogram.min().count() == values.front());
}

}  // namespace
}  // namespace waferline
