#include "server/http/metric_names.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline::http {
namespace {

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
