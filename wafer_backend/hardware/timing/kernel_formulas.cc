#include "wafer_backend/hardware/timing/kernel_formulas.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {

KernelModel ModelFor(const silicon::WaferSpec& wafer, const Profile& profile) {
  const KernelConstants& c = profile.constants;
  const bool narrow = wafer.simd_fp16_lanes.value <= 4;
  KernelModel m;
  m.constants = c;
  m.mac_cycles = c.mac_cycles * (narrow ? c.four_lane_mac_factor : 1);
  m.start_factor = narrow ? c.four_lane_start_factor : 1;
  m.side_cycles = wafer.hop_cycles.value +
                  c.allreduce_core_cycles * (narrow ? c.four_lane_allreduce_factor : 1);
  m.ramp_cycles = wafer.ramp_cycles.value;
  m.softmax_score_cycles = profile.softmax_score_cycles.value;
  return m;
}

double GemvChainCycles(const KernelModel& m, double side, double in, double out) {
  const double stages = m.constants.chain_stage_cycles * (side + out);
  return m.start_factor * (m.constants.chain_start_cycles + stages) + side * out / 8 + 2 * out +
         m.mac_cycles * in * out;
}

double GemmStepCycles(const KernelModel& m, double rows, double inner, double columns) {
  constexpr double kWordLanes = 4;
  const double padded = std::ceil(rows / kWordLanes) * kWordLanes;
  return m.start_factor *
             (m.constants.gemm_step_cycles + m.constants.gemm_column_cycles * columns) +
         m.mac_cycles * padded * inner * columns;
}

DecodeCost DecodeLayerCost(const KernelModel& m, double side, const DecodeWork& work) {
  const double mac = m.mac_cycles * m.constants.layer_mac_factor;
  const double scale = m.constants.layer_scale;
  DecodeCost cost;
  cost.start = scale * m.start_factor * m.constants.layer_start_cycles;
  cost.allreduces = scale * work.allreduces * AllreduceCycles(m, side);
  cost.weights = scale * mac * work.weight_macs;
  cost.attention =
      scale * (mac * work.attention_macs + m.start_factor * m.softmax_score_cycles * work.scores);
  return cost;
}

double TunedSide(const KernelModel& m, double macs, int allreduces, double least, double most) {
  // d/ds of allreduces * side_cycles * s + mac * macs / s^2 is zero here.
  const double mac = m.mac_cycles * m.constants.layer_mac_factor;
  const double best = std::cbrt(2 * mac * macs / (allreduces * m.side_cycles));
  return std::max(least, std::min(most, best));
}

}  // namespace waferline::timing
