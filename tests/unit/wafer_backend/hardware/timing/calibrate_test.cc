#include "wafer_backend/hardware/timing/calibrate.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/least_squares.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::timing {
namespace {

const std::map<std::string, silicon::WaferSpec>& Wafers() {
  static const std::map<std::string, silicon::WaferSpec> wafers = {
      {"wse-2", *silicon::LoadHardware("wse-2")->wafer()},
      {"wse-3", *silicon::LoadHardware("wse-3")->wafer()}};
  return wafers;
}

// Points that a machine of known constants would give.
std::vector<KernelMeasurement> PointsOf(const Profile& truth) {
  std::vector<KernelMeasurement> points;
  const auto add = [&](const std::string& machine, const KernelSize& size) {
    points.push_back({machine, size, *KernelCycles(Wafers().at(machine), truth, size), "point"});
  };
  for (const int64_t grid : {120, 240, 480}) {
    for (const int64_t tile : {5, 12, 40}) {
      add("wse-3", GemvSize{Allreduce::kTree, grid, grid * tile, grid * tile});
      add("wse-3", GemvSize{Allreduce::kChain, grid, grid * tile, grid * tile});
      add("wse-3", GemmSize{grid, grid * tile});
      for (const char* machine : {"wse-2", "wse-3"}) {
        add(machine, DecodeLayerSize{grid, tile, 2 * tile, 8});
        add(machine, PrefillLayerSize{grid, grid * tile, 2 * grid * tile, 4096});
      }
    }
  }
  return points;
}

TEST_CASE("a fit finds the constants that made its points") {
  Profile truth = *LoadProfile("open");
  truth.constants.mac_cycles = 0.21;
  truth.constants.layer_start_cycles = 2222;
  truth.constants.four_lane_scale = 1.7;
  const auto calibration = CalibrateKernels(PointsOf(truth), Wafers());
  REQUIRE(calibration.ok());
  for (const ConstantField& field : ConstantFields()) {
    INFO(field.name);
    CHECK(calibration->profile.constants.*field.value ==
          Approx(truth.constants.*field.value).epsilon(1e-3));
  }
  CHECK(WorstErrorPercent(calibration->profile.residuals) < 0.01);
  for (const double e : calibration->left_out_errors) CHECK(std::abs(e) < 1e-3);
}

TEST_CASE(
    "each point is predicted by the others within ten per cent, by those of other grids too") {
  const auto points = ReadMeasurements(std::string(WAFERLINE_SOURCE_DIR) + "/deploy/calibration");
  const auto open = CalibrateKernels(points->kernels, Wafers());
  REQUIRE(open.ok());
  for (size_t i = 0; i < points->kernels.size(); ++i) {
    INFO(points->kernels[i].label);
    CHECK(std::abs(open->left_out_errors[i]) < 0.10);
    CHECK(std::abs(open->grid_left_out_errors[i]) < 0.10);
  }
}

TEST_CASE("too few points and impossible points are refused") {
  auto points = PointsOf(*LoadProfile("open"));
  auto few = points;
  few.resize(26);
  CHECK(CalibrateKernels(few, Wafers()).status().code() == absl::StatusCode::kInvalidArgument);
  points[3].machine = "wse-9";
  CHECK(Std(CalibrateKernels(points, Wafers()).status().message()).find("wse-9") !=
        std::string_view::npos);
  points[3].machine = "wse-3";
  points[4].size = GemmSize{10000, 10000};
  CHECK(Std(CalibrateKernels(points, Wafers()).status().message()).find("grid is") !=
        std::string_view::npos);
}

TEST_CASE("a parameter that no point depends on stays where it was") {
  FitProblem problem;
  problem.start = {1.0, 7.0};
  problem.points = 4;
  problem.error = [](const std::vector<double>& p, int i) {
    return p[0] * (i + 1) / (3.0 * (i + 1)) - 1;
  };
  const auto fit = Fit(problem);
  REQUIRE(fit.ok());
  CHECK(fit->parameters[0] == Approx(3.0));
  CHECK(fit->parameters[1] == Approx(7.0));
  // A group that holds all but one point leaves too few, one of a point does not.
  CHECK_FALSE(LeaveGroupOutErrors(problem, {5, 5, 5, 1}).ok());
  CHECK(LeaveGroupOutErrors(problem, {5, 5, 2, 1})->at(0) == Approx(0).margin(1e-6));
  problem.points = 1;
  CHECK_FALSE(Fit(problem).ok());
}

class Folder : public test::TemporaryFolder {
 public:
  Folder() {
    Write("mesh_gemv.csv", "algorithm,P,m,n,cycles\nk_tree,120,4320,4320,1026.0\n");
    Write("mesh_gemm.csv", "P,N,cycles\n360,4320,511841\n");
    Write("decode_layer.csv",
          "# c\nmachine,shape,P,d,ffn,seq,cycles\nwse-3,8B,360,12,40,12,15139.1\n");
    Write("prefill_layer.csv", "machine,shape,P,tokens,cycles\nwse-2,8B,600,4096,5624000\n");
    Write("vendor.csv",
          "model,date,wafers,weights,tokens_per_s,spec,source\nm,2024,,fp16,3.5,no,a, b and c\n");
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name)) << text;
  }
};

TEST_CASE("measurement files: read, and every bad field reported") {
  const Folder folder;
  const auto good = ReadMeasurements(folder.path());
  INFO(good.status());
  REQUIRE(good.ok());
  CHECK(good->kernels.size() == 4);
  REQUIRE(good->models.size() == 1);
  CHECK(good->models[0].wafers == 0);

  folder.Write("mesh_gemv.csv", "algorithm,P,m,n,cycles\ntree,120,4320,4320,nan\nk_tree,1\n");
  folder.Write("mesh_gemm.csv", "P,N,cycles\n3.5,4320,511841\n");
  const auto bad = ReadMeasurements(folder.path());
  const std::string message(Std(bad.status().message()));
  INFO(message);
  CHECK(message.find("mesh_gemv.csv:2: algorithm") != std::string::npos);
  CHECK(message.find("mesh_gemv.csv:2: cycles") != std::string::npos);
  CHECK(message.find("mesh_gemv.csv:3: has 2 fields") != std::string::npos);
  CHECK(message.find("mesh_gemm.csv:2: P") != std::string::npos);

  folder.Write("mesh_gemm.csv", "N,P,cycles\n");
  CHECK(
      Std(ReadMeasurements(folder.path()).status().message()).find("columns must be: P,N,cycles") !=
      std::string_view::npos);
  CHECK(ReadMeasurements("/no/such/folder").status().code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace waferline::timing
