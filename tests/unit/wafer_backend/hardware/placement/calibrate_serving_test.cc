#include "wafer_backend/hardware/placement/calibrate_serving.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::placement {
namespace {

std::vector<silicon::Hardware> Machines(const std::vector<std::string>& names) {
  std::vector<silicon::Hardware> machines;
  for (const std::string& name : names) machines.push_back(*silicon::LoadHardware(name));
  return machines;
}

struct Errors {
  std::vector<double> fitted, left_out, held_out;

  explicit Errors(const ServingCalibration& calibration) {
    for (const ServingPoint& point : calibration.points) {
      (point.fitted ? fitted : held_out).push_back(std::abs(point.error()));
      if (point.fitted) left_out.push_back(std::abs(point.left_out));
    }
  }
};

double Median(std::vector<double> errors) {
  std::sort(errors.begin(), errors.end());
  return errors[errors.size() / 2];
}

double Worst(const std::vector<double>& errors) {
  return *std::max_element(errors.begin(), errors.end());
}

TEST_CASE("serving of Llama 3.1 8B and 70B on H100 and H200, two constants for 47 figures") {
  const auto machines = Machines({"h100", "h200"});
  const auto calibration = CalibrateServing(machines);
  INFO(calibration.status());
  REQUIRE(calibration.ok());
  const Errors errors(*calibration);
  CHECK(errors.fitted.size() == 47);
  CHECK(Median(errors.fitted) < 0.06);
  CHECK(Worst(errors.fitted) < 0.13);
  CHECK(Median(errors.left_out) < 0.06);
  CHECK(Worst(errors.left_out) < 0.13);
  // First tokens, tokens of one user, and Llama 3.1 405B took no part.
  CHECK(errors.held_out.size() == 24);
  CHECK(Median(errors.held_out) < 0.12);
  CHECK(Worst(errors.held_out) < 0.36);
  for (const silicon::Hardware& machine : machines) {
    const silicon::AcceleratorSpec& spec = *machine.accelerator();
    CHECK(spec.compute_efficiency.value == Approx(calibration->compute_efficiency).epsilon(0.01));
    CHECK(spec.layer_seconds.value == Approx(calibration->layer_seconds).epsilon(0.02));
  }
}

TEST_CASE("serving in FP4 on B200 and GB200, two constants for 20 figures") {
  const auto machines = Machines({"b200", "gb200-nvl72"});
  const auto calibration = CalibrateServing(machines);
  INFO(calibration.status());
  REQUIRE(calibration.ok());
  const Errors errors(*calibration);
  CHECK(errors.fitted.size() == 20);
  CHECK(Median(errors.left_out) < 0.08);
  CHECK(Worst(errors.left_out) < 0.2);
  CHECK(Median(errors.held_out) < 0.12);
  CHECK(Worst(errors.held_out) < 0.4);
  for (const silicon::Hardware& machine : machines) {
    const silicon::AcceleratorSpec& spec = *machine.accelerator();
    CHECK(spec.compute_efficiency.value == Approx(calibration->compute_efficiency).epsilon(0.02));
    CHECK(spec.layer_seconds.value == Approx(calibration->layer_seconds).epsilon(0.02));
  }
}

TEST_CASE("a fit without figures, or of a wafer, says so") {
  const auto none = CalibrateServing(Machines({"a100"}));
  REQUIRE(!none.ok());
  CHECK(std::string(Std(none.status().message())).find("there are 0") != std::string::npos);
  const auto wafer = CalibrateServing(Machines({"wse-3"}));
  REQUIRE(!wafer.ok());
  CHECK(std::string(Std(wafer.status().message())).find("wse-3 is a wafer") != std::string::npos);
}

}  // namespace
}  // namespace waferline::placement
