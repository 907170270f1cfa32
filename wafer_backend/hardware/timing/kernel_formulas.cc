#include "wafer_backend/hardware/timing/kernel_formulas.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {
namespace {

constexpr double kMeasuredLanes = 8;  // of the machine that mac_cycles was fitted to

int Cores(double side) { return static_cast<int>(side); }

// Of a matrix-vector kernel that runs `instructions` cycles of everything but MACs.
double Instructions(const KernelModel& m, double cycles) { return m.instruction_scale * cycles; }

}  // namespace

KernelModel ModelFor(const silicon::WaferSpec& wafer, const Profile& profile) {
  const KernelConstants& c = profile.constants;
  KernelModel m;
  m.constants = c;
  m.mac_cycles = c.mac_cycles * std::max(1.0, kMeasuredLanes / wafer.simd_fp16_lanes.value);
  m.narrow = wafer.simd_fp16_lanes.value <= 4;
  m.instruction_scale = m.narrow ? c.four_lane_scale : 1;
  m.line = {wafer.hop_cycles.value, wafer.ramp_cycles.value, c.hand_over_cycles};
  m.softmax_score_cycles = profile.softmax_score_cycles.value;
  return m;
}

double AllreduceCycles(const KernelModel& m, double side, double length) {
  return Instructions(m, collectives::TreeAllreduceCycles(Cores(side), length, m.line));
}

double GemvTreeCycles(const KernelModel& m, double side, double in, double out) {
  return Instructions(m, m.constants.gemv_start_cycles) + AllreduceCycles(m, side, out) +
         m.mac_cycles * in * out;
}

double GemvChainCycles(const KernelModel& m, double side, double in, double out) {
  const double links = collectives::ChainAllreduceCycles(Cores(side), out, m.line);
  const double back = m.line.hand_over() - m.line.software;
  const double elements = out * (m.line.hand_over() + back);
  return Instructions(m, m.constants.chain_start_cycles + links + elements) +
         m.mac_cycles * in * out;
}

double GemmStepCycles(const KernelModel& m, double rows, double inner, double columns) {
  constexpr double kWordElements = 4;  // FP16 in 64 bits
  constexpr double kWaveletElements = 2;
  const double padded = m.narrow ? rows : std::ceil(rows / kWordElements) * kWordElements;
  const double start = m.narrow ? 0 : m.constants.gemm_step_cycles;
  const double arithmetic =
      start + m.constants.gemm_column_cycles * columns + m.mac_cycles * padded * inner * columns;
  const double tiles = inner * (rows + columns) / kWaveletElements;
  return std::max(arithmetic, collectives::ShiftStepCycles(tiles, {m.line.hop, m.line.ramp}));
}

DecodeCost DecodeLayerCost(const KernelModel& m, double side, const DecodeWork& work) {
  const double scale = m.constants.layer_scale;
  DecodeCost cost;
  cost.start = scale * work.start_share * Instructions(m, m.constants.layer_start_cycles);
  if (work.allreduces > 0) {
    cost.allreduces =
        scale * work.allreduces * AllreduceCycles(m, side, work.words / work.allreduces);
  }
  cost.weights = scale * (Instructions(m, m.constants.layer_column_cycles * work.columns) +
                          m.mac_cycles * work.weight_macs);
  cost.attention = scale * (m.mac_cycles * work.attention_macs +
                            Instructions(m, m.softmax_score_cycles * work.scores));
  return cost;
}

double TransitionCycles(const silicon::WaferSpec& wafer, double side, double bytes_per_core) {
  const double crossing = bytes_per_core * side / 2;
  return crossing / wafer.link_bytes_per_cycle.value + wafer.hop_cycles.value * side +
         2 * wafer.ramp_cycles.value;
}

DecodeWork WorkOn(const WholeWork& whole, double side) {
  return {.weight_macs = whole.macs / (side * side),
          .columns = whole.columns / side,
          .allreduces = whole.allreduces,
          .words = whole.words / side + whole.scalars,
          .start_share = whole.start_share};
}

double FastestSide(const KernelModel& m, const WholeWork& whole) {
  // An allreduce of length L over s cores: s hops in and out, about 2 sqrt(s) hand-overs, 3 L. The
  // cycles' derivative times s^3 falls below nothing and rises to more than it: it has one zero.
  const double scale = m.instruction_scale;
  const double hops = std::max(1e-9, 2 * scale * whole.allreduces * m.line.hop);
  const double stages = scale * whole.allreduces * m.line.hand_over();
  const double falling =
      scale * (3 * whole.words + m.constants.layer_column_cycles * whole.columns);
  const double macs = 2 * m.mac_cycles * whole.macs;
  // Newton's steps (Ypma, SIAM Review 37, 1995) from above the zero of a convex function never
  // pass it; the start is where half of the hops outweigh the MACs, and half what falls.
  double side = std::max(std::cbrt(2 * macs / hops), std::sqrt(2 * falling / hops));
  for (int step = 0; step < 50; ++step) {
    const double root = std::sqrt(side);
    const double above = side * side * (hops * side + stages * root) - falling * side - macs;
    const double slope = side * (3 * hops * side + 2.5 * stages * root) - falling;
    if (!(above > 0.01 * slope)) break;  // within a hundredth of a core
    side -= above / slope;
  }
  return std::max(1.0, side);
}

}  // namespace waferline::timing
