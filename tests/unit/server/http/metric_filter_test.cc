#include "server/http/metric_filter.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline::http {
namespace {

const std::string kA = "# HELP a_total What a is.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n";
const std::string kB =
    "# HELP vllm:b What b is.\n# TYPE vllm:b histogram\nvllm:b_bucket{le=\"1\"} 2\nvllm:b_sum 1\n";

TEST_CASE("only the families that are named come, whole") {
  CHECK(OnlyFamilies(kA + kB, {}) == kA + kB);
  CHECK(OnlyFamilies(kA + kB, {"vllm:b"}) == kB);
  CHECK(OnlyFamilies(kA + kB, {"vllm:b", "a_total", "none"}) == kA + kB);
  CHECK(OnlyFamilies(kA + kB, {"a"}).empty());
  CHECK(OnlyFamilies("", {"a"}).empty());
  CHECK(OnlyFamilies("no family", {"a"}).empty());
}

TEST_CASE("names are read from a query") {
  using Names = std::vector<std::string>;
  CHECK(MetricNames("name[]=a&name%5B%5D=vllm%3Ab&other=c&name=d") == Names{"a", "vllm:b"});
  CHECK(MetricNames("").empty());
  CHECK(MetricNames("name[]=%zz").empty());
  std::string many;
  for (int i = 0; i < 300; ++i) many += "name[]=x&";
  CHECK(MetricNames(many).size() == kMaxMetricNames);
}

}  // namespace
}  // namespace waferline::http
