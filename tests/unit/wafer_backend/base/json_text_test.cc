#include "wafer_backend/base/json_text.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <limits>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline {
namespace {

namespace json = boost::json;

TEST_CASE("numbers are written as people read them, and read back as the same") {
  CHECK(JsonText(0.0) == "0.0");
  CHECK(JsonText(0.5) == "0.5");
  CHECK(JsonText(20.0) == "20.0");
  CHECK(JsonText(-3) == "-3");
  CHECK(JsonText(std::numeric_limits<double>::quiet_NaN()) == "null");
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    INFO("seed " << seed);
    SeededStream stream(seed);
    const double value = std::ldexp(static_cast<double>(stream.Next() >> 11),
                                    static_cast<int>(stream.Next() % 300) - 200);
    const json::value read = json::parse(JsonText(value));
    REQUIRE(read.is_double());
    REQUIRE(read.get_double() == Approx(value).epsilon(1e-15));
  }
}

TEST_CASE("what is nested reads back as it was") {
  const json::value value = {{"a \"quoted\" key", {1, true, nullptr, "line\nbreak"}},
                             {"empty", json::object()},
                             {"none", json::array()}};
  CHECK(json::parse(JsonText(value)) == value);
  CHECK(JsonText(json::object{{"a", 1}, {"b", json::array{1.5, 2}}}) == R"({"a":1,"b":[1.5,2]})");
}

}  // namespace
}  // namespace waferline
