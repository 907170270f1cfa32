// A profile: how fast one generation of kernels runs, as constants fitted to published measurements
// (`waferctl wafer calibrate`), with what the fit left over. Everything is in cycles; the clock is
// the hardware's. Plain values, any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "wafer_backend/hardware/silicon/fact.h"

namespace waferline::timing {

// The fitted constants; kernel_formulas.h says where each stands. The values here are where a fit
// starts from.
struct KernelConstants {
  double mac_cycles = 0.3;              // a multiply-accumulate in FP16 on eight lanes
  double allreduce_core_cycles = 1.0;   // K-tree allreduce, per core of the side, above the hop
  double gemv_start_cycles = 200;       // starting one matrix-vector product
  double chain_start_cycles = 1000;     // starting one with a chain allreduce
  double chain_stage_cycles = 10;       // one core's part in the chain, per element
  double gemm_step_cycles = 100;        // one shift step of a matrix product
  double gemm_column_cycles = 50;       // one column of the tile in such a step
  double layer_start_cycles = 4000;     // one decode layer: task starts, norms, rotation, KV shift
  double layer_mac_factor = 1.5;        // a MAC in a decode layer's short rows, in MACs
  double four_lane_mac_factor = 1.5;    // WSE-2's core against WSE-3's: MACs
  double four_lane_start_factor = 1.0;  // ... everything that is instructions, not MACs or hops
  double four_lane_allreduce_factor = 1.0;  // ... allreduce_core_cycles
  double layer_scale = 1.0;  // whole layers, of kernels of which only end-to-end speed is known
};

struct ConstantField {
  const char* name;
  double KernelConstants::*value;
};
// Every constant, in the order of the struct.
std::span<const ConstantField> ConstantFields();

// One measured point and what the fitted model says of it.
struct Residual {
  std::string point;  // "gemv k_tree P=120 m=4320 n=4320"
  double measured = 0;
  double predicted = 0;
  double error_percent() const { return 100 * (predicted / measured - 1); }
};

struct Profile {
  std::string name;
  std::string title;
  // Fitted to tokens/s of whole models at the nominal clock: that clock's uncertainty is then no
  // part of a prediction's.
  bool anchored = false;
  // All layers of a wafer run on one grid after another's tokens, as research kernels do: fastest
  // for one user. Else each layer owns a region, and many users' tokens are in flight.
  bool shared_grid = false;
  KernelConstants constants;
  KernelConstants errors;           // one standard error of each fitted constant, else 0
  std::vector<std::string> fitted;  // the constants that this profile's own data decided
  double spread = 0.02;             // one standard deviation of a prediction, relative

  // Parameters that no measurement here decides.
  silicon::Fact softmax_score_cycles;  // exponential of one attention score
  silicon::Fact tokens_per_step;       // with speculation: accepted tokens a pass; 1 is none
  std::vector<Residual> residuals;
};

// Of |error_percent|; 0 without residuals.
double MedianErrorPercent(const std::vector<Residual>& residuals);
double WorstErrorPercent(const std::vector<Residual>& residuals);

}  // namespace waferline::timing
