// waferctl wafer calibrate: fits kernel constants to published measurements.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <map>

#include "client/cli/frame/output.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/calibrate_models.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/calibrate.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::cli {
namespace {

std::map<std::string, silicon::WaferSpec> KnownWafers() {
  std::map<std::string, silicon::WaferSpec> wafers;
  for (const std::string& name : silicon::BuiltInHardware()) {
    const auto hardware = silicon::LoadHardware(name);
    if (hardware.ok() && hardware->wafer() != nullptr) wafers[name] = *hardware->wafer();
  }
  return wafers;
}

double MedianPercent(std::vector<double> errors) {
  if (errors.empty()) return 0;
  for (double& e : errors) e = 100 * std::abs(e);
  std::sort(errors.begin(), errors.end());
  return (errors[(errors.size() - 1) / 2] + errors[errors.size() / 2]) / 2;
}

// Of predicted over measured: geometric mean, and the median of how far it is from 1 either way.
double GeometricMean(const std::vector<double>& errors) {
  double logs = 0;
  for (const double e : errors) logs += std::log1p(e);
  return errors.empty() ? 1 : std::exp(logs / static_cast<double>(errors.size()));
}

double MedianFactor(std::vector<double> errors) {
  if (errors.empty()) return 1;
  for (double& e : errors) e = std::abs(std::log1p(e));
  std::sort(errors.begin(), errors.end());
  return std::exp((errors[(errors.size() - 1) / 2] + errors[errors.size() / 2]) / 2);
}

double WorstPercent(const std::vector<double>& errors) {
  double worst = 0;
  for (const double e : errors) worst = std::max(worst, 100 * std::abs(e));
  return worst;
}

boost::json::object Json(const timing::Calibration& calibration) {
  const timing::Profile& profile = calibration.profile;
  boost::json::object constants;
  for (const timing::ConstantField& field : timing::ConstantFields()) {
    constants[field.name] = {{"value", profile.constants.*field.value},
                             {"error", profile.errors.*field.value}};
  }
  boost::json::array points;
  for (size_t i = 0; i < profile.residuals.size(); ++i) {
    const timing::Residual& r = profile.residuals[i];
    boost::json::object point = {{"point", r.point},
                                 {"measured", r.measured},
                                 {"predicted", r.predicted},
                                 {"error_percent", r.error_percent()},
                                 {"left_out_error_percent", 100 * calibration.left_out_errors[i]}};
    if (!calibration.grid_left_out_errors.empty()) {
      point["grid_left_out_error_percent"] = 100 * calibration.grid_left_out_errors[i];
    }
    points.push_back(std::move(point));
  }
  return {{"profile", profile.name},
          {"points", profile.fit_points},
          {"fitted_constants", profile.fit_constants},
          {"median_error_percent", MedianErrorPercent(profile.residuals)},
          {"worst_error_percent", WorstErrorPercent(profile.residuals)},
          {"left_out_median_error_percent", MedianPercent(calibration.left_out_errors)},
          {"left_out_worst_error_percent", WorstPercent(calibration.left_out_errors)},
          {"left_out_geometric_mean", GeometricMean(calibration.left_out_errors)},
          {"left_out_median_factor", MedianFactor(calibration.left_out_errors)},
          {"left_out_inside_80", calibration.left_out_inside_80},
          {"tokens_per_step", profile.tokens_per_step.value},
          {"draft_us", 1e6 * profile.draft_seconds.value},
          {"grid_left_out_median_error_percent", MedianPercent(calibration.grid_left_out_errors)},
          {"grid_left_out_worst_error_percent", WorstPercent(calibration.grid_left_out_errors)},
          {"spread", profile.spread},
          {"constants", constants},
          {"residuals", points}};
}

void PrintResiduals(const timing::Calibration& calibration) {
  const timing::Profile& profile = calibration.profile;
  const bool grids = !calibration.grid_left_out_errors.empty();
  Table table({"point", "measured", "predicted", "error", "left out", grids ? "its grid too" : ""});
  for (size_t i = 0; i < profile.residuals.size(); ++i) {
    const timing::Residual& r = profile.residuals[i];
    std::vector<std::string> row = {r.point, fmt::format("{:.5g}", r.measured),
                                    fmt::format("{:.5g}", r.predicted),
                                    fmt::format("{:+.1f}%", r.error_percent()),
                                    fmt::format("{:+.1f}%", 100 * calibration.left_out_errors[i])};
    row.push_back(grids ? fmt::format("{:+.1f}%", 100 * calibration.grid_left_out_errors[i]) : "");
    table.Add(std::move(row));
  }
  table.Print();
}

void PrintFit(const timing::Calibration& calibration) {
  const timing::Profile& profile = calibration.profile;
  Print("profile {}: {} constants fitted to {} points\n", profile.name, profile.fit_constants,
        profile.fit_points);
  Table constants({"constant", "value", "error"});
  for (const timing::ConstantField& field : timing::ConstantFields()) {
    constants.Add({field.name, fmt::format("{:.5g}", profile.constants.*field.value),
                   fmt::format("{:.2g}", profile.errors.*field.value)});
  }
  constants.Print();
  PrintResiduals(calibration);
  Print("{} Each point left out of its fit: median {:.2f} %, worst {:.2f} %\n", FitSummary(profile),
        MedianPercent(calibration.left_out_errors), WorstPercent(calibration.left_out_errors));
  if (calibration.grid_left_out_errors.empty()) {
    Print(
        "{:.3g} tokens accepted a pass, {:.4g} us to draft them. Left out, predicted over "
        "measured is {:.3f} in the geometric mean and within a factor of {:.3f} in the median; "
        "{} of {} lie in their 80 % interval\n",
        profile.tokens_per_step.value, 1e6 * profile.draft_seconds.value,
        GeometricMean(calibration.left_out_errors), MedianFactor(calibration.left_out_errors),
        calibration.left_out_inside_80, profile.fit_points);
    return;
  }
  Print("All points on grids of its side left out too: median {:.2f} %, worst {:.2f} %\n",
        MedianPercent(calibration.grid_left_out_errors),
        WorstPercent(calibration.grid_left_out_errors));
}

// The vendor's profiles stand on kernels fitted to the same data.
absl::StatusOr<timing::Calibration> CalibrateProfile(const std::string& name,
                                                     const timing::Measurements& measurements) {
  const std::map<std::string, silicon::WaferSpec> wafers = KnownWafers();
  WL_ASSIGN_OR_RETURN(timing::Calibration open,
                      timing::CalibrateKernels(measurements.kernels, wafers));
  if (name == "open") return open;
  return placement::CalibrateModels(name, measurements.models, open.profile, wafers.at("wse-3"));
}

absl::Status Calibrate(const Arguments& arguments) {
  if (const absl::Status folder = CheckFolder(arguments.Text("data")); !folder.ok()) {
    return absl::Status(folder.code(), absl::StrCat("--data: ", folder.message()));
  }
  WL_ASSIGN_OR_RETURN(const timing::Measurements measurements,
                      timing::ReadMeasurements(arguments.Text("data")));
  WL_ASSIGN_OR_RETURN(const timing::Calibration calibration,
                      CalibrateProfile(arguments.Text("profile"), measurements));
  if (arguments.Has("out")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("out"), FormatProfile(calibration.profile)));
  }
  if (arguments.json()) {
    PrintText(JsonText(Json(calibration)) + "\n");
  } else {
    PrintFit(calibration);
  }
  return absl::OkStatus();
}

}  // namespace

Command CalibrateCommand() {
  return Command{
      .words = "wafer calibrate",
      .summary = "Fit a profile's constants to published measurements",
      .flags = {TextFlag("data", "DIR", "folder with mesh_gemv.csv, decode_layer.csv and so on")
                    .Required(),
                ChoiceFlag("profile", "NAME", "what is fitted",
                           {"open", "vendor-2024", "vendor-2025"})
                    .Default("open"),
                OutputFlag("out", "write the profile there")},
      .examples = {"waferctl wafer calibrate --data deploy/calibration --profile vendor-2024"},
      .run = Calibrate};
}

}  // namespace waferline::cli
