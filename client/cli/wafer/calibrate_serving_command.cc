// waferctl wafer calibrate-serving: what accelerators reach in serving, from published figures.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/calibrate_serving.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::cli {
namespace {

using placement::ServingCalibration;
using placement::ServingPoint;

constexpr int kConstants = 2;

// Of the absolute values, in percent.
struct Errors {
  int points = 0;
  double median = 0, worst = 0;
};

Errors ErrorsOf(std::vector<double> errors) {
  if (errors.empty()) return {};
  for (double& e : errors) e = 100 * std::abs(e);
  std::sort(errors.begin(), errors.end());
  const double median = (errors[(errors.size() - 1) / 2] + errors[errors.size() / 2]) / 2;
  return {static_cast<int>(errors.size()), median, errors.back()};
}

struct Summary {
  Errors fitted, left_out, held_out;
};

Summary SummaryOf(const ServingCalibration& calibration) {
  std::vector<double> fitted, left_out, held_out;
  for (const ServingPoint& point : calibration.points) {
    (point.fitted ? fitted : held_out).push_back(point.error());
    if (point.fitted) left_out.push_back(point.left_out);
  }
  return {ErrorsOf(fitted), ErrorsOf(left_out), ErrorsOf(held_out)};
}

boost::json::object Json(const ServingCalibration& calibration) {
  const Summary summary = SummaryOf(calibration);
  boost::json::array points;
  for (const ServingPoint& point : calibration.points) {
    boost::json::object one{{"figure", point.name},
                            {"unit", point.unit},
                            {"published", point.published},
                            {"predicted", point.predicted},
                            {"error_percent", 100 * point.error()},
                            {"fitted", point.fitted}};
    if (point.fitted) one["left_out_error_percent"] = 100 * point.left_out;
    points.push_back(std::move(one));
  }
  return {{"compute_efficiency", calibration.compute_efficiency},
          {"layer_seconds", calibration.layer_seconds},
          {"fitted_constants", kConstants},
          {"points", summary.fitted.points},
          {"median_error_percent", summary.fitted.median},
          {"worst_error_percent", summary.fitted.worst},
          {"left_out_median_error_percent", summary.left_out.median},
          {"left_out_worst_error_percent", summary.left_out.worst},
          {"held_out_points", summary.held_out.points},
          {"held_out_median_error_percent", summary.held_out.median},
          {"held_out_worst_error_percent", summary.held_out.worst},
          {"figures", points}};
}

void PrintCalibration(const ServingCalibration& calibration) {
  Table table({"figure", "published", "predicted", "error", "left out", "unit"},
              {Table::Align::kLeft, Table::Align::kRight, Table::Align::kRight,
               Table::Align::kRight, Table::Align::kRight, Table::Align::kLeft});
  for (const ServingPoint& point : calibration.points) {
    table.Add({point.name, fmt::format("{:.5g}", point.published),
               fmt::format("{:.5g}", point.predicted), fmt::format("{:+.1f}%", 100 * point.error()),
               point.fitted ? fmt::format("{:+.1f}%", 100 * point.left_out) : "never fitted",
               point.unit});
  }
  table.Print();
  const Summary summary = SummaryOf(calibration);
  Print(
      "{} constants fitted to {} figures: compute_efficiency {:.4f} +- {:.2g}, layer_seconds "
      "{:.4g} +- {:.2g}\n",
      kConstants, summary.fitted.points, calibration.compute_efficiency,
      calibration.compute_efficiency_error, calibration.layer_seconds,
      calibration.layer_seconds_error);
  Print(
      "error: median {:.2f} %, worst {:.2f} %; each figure left out of its fit: median {:.2f} %, "
      "worst {:.2f} %\n",
      summary.fitted.median, summary.fitted.worst, summary.left_out.median, summary.left_out.worst);
  if (summary.held_out.points == 0) return;
  Print("{} figures that took no part: median {:.2f} %, worst {:.2f} %\n", summary.held_out.points,
        summary.held_out.median, summary.held_out.worst);
}

absl::Status RunCalibrateServing(const Arguments& arguments) {
  std::vector<silicon::Hardware> machines;
  for (const std::string& name :
       std::vector<std::string>(absl::StrSplit(arguments.Text("hardware"), ','))) {
    WL_ASSIGN_OR_RETURN(silicon::Hardware machine, silicon::LoadHardware(name));
    for (const silicon::Hardware& other : machines) {
      if (other.name == machine.name) {
        return absl::InvalidArgumentError(absl::StrCat("--hardware names ", name, " twice"));
      }
    }
    machines.push_back(std::move(machine));
  }
  WL_ASSIGN_OR_RETURN(const ServingCalibration calibration,
                      placement::CalibrateServing(std::move(machines)));
  if (arguments.json()) {
    PrintText(JsonText(Json(calibration)) + "\n");
  } else {
    PrintCalibration(calibration);
  }
  return absl::OkStatus();
}

}  // namespace

Command CalibrateServingCommand() {
  return Command{
      .words = "wafer calibrate-serving",
      .summary = "Fit what accelerators reach in serving to the published figures of their files",
      .flags = {TextFlag("hardware", "NAME,...", "accelerators of one generation, fitted together")
                    .Default("h100,h200")},
      .examples = {"waferctl wafer calibrate-serving",
                   "waferctl wafer calibrate-serving --hardware b200,gb200-nvl72"},
      .run = RunCalibrateServing};
}

}  // namespace waferline::cli
