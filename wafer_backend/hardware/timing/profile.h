// A profile: how fast one generation of kernels runs, as constants fitted to published measurements
// (`waferctl wafer calibrate`), with what the fit left over. Everything is in cycles; the clock is
// the hardware's. Plain values, any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "wafer_backend/base/fact.h"

namespace waferline::timing {

// The fitted constants; kernel_formulas.h says where each stands. The values here are where a fit
// starts from.
struct KernelConstants {
  double mac_cycles = 0.3;           // a multiply-accumulate in FP16 on eight lanes
  double hand_over_cycles = 3;       // software of adding to a sum and handing it on
  double gemv_start_cycles = 100;    // starting one matrix-vector product
  double chain_start_cycles = 1000;  // starting one with a chain allreduce
  double gemm_step_cycles = 100;     // starting one shift step of a matrix product
  double gemm_column_cycles = 50;    // one column of the tile in such a step
  double layer_start_cycles = 3000;  // one decode layer: task starts, norms, rotation, KV shift
  double layer_column_cycles = 10;   // one column of a matrix's tile in a decode layer
  // WSE-2's core against WSE-3's, in matrix-vector kernels: everything that is not a MAC. Its
  // points are speeds turned into cycles at a clock, so an error of that clock stands in here too.
  // They say 0.73, so where hops and starts outweigh MACs (a large mixture of experts) WSE-2 comes
  // out faster than WSE-3, a wafer's size aside.
  double four_lane_scale = 0.8;
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
  // Sides of the grids on which decode layers were measured: a shared grid stays within them.
  struct Sides {
    double low = 1, high = 1e6;
  } measured_sides;
  KernelConstants constants;
  KernelConstants errors;           // one standard error of each fitted constant, else 0
  std::vector<std::string> fitted;  // the constants that this profile's own data decided
  // Of the fit that they come from: the vendor's profiles share one.
  int fit_constants = 0;
  int fit_points = 0;
  double spread = 0.02;  // one standard deviation of a prediction, relative

  Fact softmax_score_cycles;  // exponential of one attention score; no measurement here decides it
  // Speculation: tokens accepted a pass, and what their drafting adds to it. 1 and 0 are none.
  Fact tokens_per_step;
  Fact draft_seconds;
  std::vector<Residual> residuals;
};

// Of |error_percent| of the points; 0 without any.
double MedianErrorPercent(const std::vector<Residual>& residuals);
double WorstErrorPercent(const std::vector<Residual>& residuals);

}  // namespace waferline::timing
