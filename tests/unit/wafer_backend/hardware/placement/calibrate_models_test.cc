#include "wafer_backend/hardware/placement/calibrate_models.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::placement {
namespace {

const std::map<std::string, silicon::WaferSpec>& Wafers() {
  static const std::map<std::string, silicon::WaferSpec> wafers = {
      {"wse-2", *silicon::LoadHardware("wse-2")->wafer()},
      {"wse-3", *silicon::LoadHardware("wse-3")->wafer()}};
  return wafers;
}

// deploy/calibration holds the published points, deploy/profiles what they give.
std::string Shipped(const std::string& path) {
  std::ifstream file(std::string(WAFERLINE_SOURCE_DIR) + "/deploy/" + path);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("the shipped profiles are what the shipped points give, to the last digit") {
  const auto points =
      timing::ReadMeasurements(std::string(WAFERLINE_SOURCE_DIR) + "/deploy/calibration");
  REQUIRE(points.ok());
  const auto open = timing::CalibrateKernels(points->kernels, Wafers());
  REQUIRE(open.ok());
  CHECK(timing::FormatProfile(open->profile) == Shipped("profiles/open.yaml"));
  for (const std::string name : {"vendor-2024", "vendor-2025"}) {
    const auto vendor = CalibrateModels(name, points->models, open->profile, Wafers().at("wse-3"));
    INFO(vendor.status());
    REQUIRE(vendor.ok());
    CHECK(timing::FormatProfile(vendor->profile) == Shipped("profiles/" + name + ".yaml"));
  }
}

TEST_CASE("speeds of whole models are met without bias, also those that are left out") {
  const auto points =
      timing::ReadMeasurements(std::string(WAFERLINE_SOURCE_DIR) + "/deploy/calibration");
  const timing::Profile open = *timing::LoadProfile("open");
  const auto later = CalibrateModels("vendor-2025", points->models, open, Wafers().at("wse-3"));
  REQUIRE(later.ok());
  const auto rows = static_cast<double>(later->profile.fit_points);
  CHECK(3 * later->profile.fit_constants <= later->profile.fit_points);
  std::vector<double> factors;
  double logs = 0;
  for (const double error : later->left_out_errors) {
    logs += std::log1p(error);
    factors.push_back(std::exp(std::abs(std::log1p(error))));
  }
  std::sort(factors.begin(), factors.end());
  CHECK(std::exp(logs / rows) == Approx(1).margin(0.1));
  CHECK(factors[factors.size() / 2] < 1.25);
  CHECK(later->left_out_inside_80 >= 0.8 * rows);
  auto fewer = points->models;
  fewer.pop_back();
  CHECK(Std(CalibrateModels("vendor-2024", fewer, open, Wafers().at("wse-3")).status().message())
            .find("need 9 rows") != std::string_view::npos);
  CHECK_FALSE(CalibrateModels("vendor-9", points->models, open, Wafers().at("wse-3")).ok());
}

}  // namespace
}  // namespace waferline::placement
