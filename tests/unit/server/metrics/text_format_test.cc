#include "server/metrics/text_format.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

namespace waferline::metrics {
namespace {

// Families of all kinds, with labels that are escaped and none.
struct Filled {
  prometheus::Registry registry;

  explicit Filled(const std::vector<double>& values) {
    auto& gauges = prometheus::BuildGauge().Name("g").Help("Says a thing.").Register(registry);
    auto& counters = prometheus::BuildCounter().Name("c_total").Help("").Register(registry);
    auto& histograms = prometheus::BuildHistogram().Name("h").Help("h").Register(registry);
    auto& histogram =
        histograms.Add({{"model", "m"}}, prometheus::Histogram::BucketBoundaries{1e-6, 0.1, 2});
    for (size_t i = 0; i < values.size(); ++i) {
      gauges.Add({{"i", std::to_string(i)}, {"says", "a \"b\" \\ \n"}}).Set(values[i]);
      if (std::abs(values[i]) < 10) histogram.Observe(std::round(values[i]));
    }
    counters.Add({}).Increment(12'345'678'901);
  }
};

}  // namespace

TEST_CASE("the text is the client library's, where that writes no digits too many") {
  const double inf = std::numeric_limits<double>::infinity();
  const Filled filled({0, 1, -3, 0.1, 2.5, 1e-4, 5e-05, 1e15, 1e21, 123456.75, inf, -inf, NAN});
  const auto families = filled.registry.Collect();
  CHECK(TextOf(families) == prometheus::TextSerializer().Serialize(families));
  CHECK(TextOf({}).empty());
}

TEST_CASE("a number has the fewest digits that give the same double") {
  const std::vector<double> values = {0.974604, 0.3, 0.1 + 0.2, 1.0 / 3, 9000.123456, 5e-324};
  const Filled filled(values);
  std::istringstream lines(TextOf(filled.registry.Collect()));
  std::set<std::string> written;  // a family's series come in any order
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("g{")) written.insert(line.substr(line.rfind(' ') + 1));
  }
  CHECK(written == std::set<std::string>{"0.974604", "0.3", "0.30000000000000004",
                                         "0.3333333333333333", "9000.123456", "5e-324"});
}

}  // namespace waferline::metrics
