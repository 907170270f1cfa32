#include "wafer_backend/hardware/timing/profile.h"

#include <catch2/catch.hpp>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::timing {
namespace {

TEST_CASE("a profile survives being written and read") {
  const auto open = LoadProfile("open");
  INFO(open.status());
  REQUIRE(open.ok());
  const auto again = ParseProfile("again", FormatProfile(*open));
  REQUIRE(again.ok());
  for (const ConstantField& field : ConstantFields()) {
    CHECK(again->constants.*field.value == Approx(open->constants.*field.value));
    CHECK(again->errors.*field.value == Approx(open->errors.*field.value).margin(1e-9));
  }
  CHECK(again->residuals.size() == open->residuals.size());
  CHECK(again->fitted == open->fitted);
  CHECK(FormatProfile(*again) == FormatProfile(*open));
}

TEST_CASE("the shipped profile keeps its bars") {
  const auto open = LoadProfile("open");
  REQUIRE(open.ok());
  REQUIRE(open->residuals.size() >= 38);
  CHECK(MedianErrorPercent(open->residuals) <= 3.0);
  CHECK(WorstErrorPercent(open->residuals) <= 8.0);
  CHECK(3 * open->fit_constants <= open->fit_points);
}

TEST_CASE("faults of a profile come with line and field") {
  std::string text = FormatProfile(*LoadProfile("open"));
  const size_t at = text.find("mac_cycles: {value: ");
  text.replace(at, 20, "mac_cycles: {value: -");
  text += "speed: 3\n";
  const auto broken = ParseProfile("p.yaml", text);
  REQUIRE(broken.status().code() == absl::StatusCode::kInvalidArgument);
  const std::string message(Std(broken.status().message()));
  INFO(message);
  CHECK(message.find("constants.mac_cycles.value") != std::string::npos);
  CHECK(message.find("speed: is not known") != std::string::npos);
}

}  // namespace
}  // namespace waferline::timing
