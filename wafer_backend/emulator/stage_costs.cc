#include "wafer_backend/emulator/stage_costs.h"

#include <cmath>

namespace waferline::emulator {

double LinearStageCosts::LayerNanoseconds(Tokens kv_length) const {
  return costs_.per_layer.as_double() + costs_.per_layer_per_kv_ns * kv_length.as_double();
}

Nanoseconds LinearStageCosts::StageTime(int stage, Tokens kv_length) const {
  const int layers =
      costs_.layers / costs_.stages + (stage < costs_.layers % costs_.stages ? 1 : 0);
  return Nanoseconds(std::llround(layers * LayerNanoseconds(kv_length)));
}

Nanoseconds LinearStageCosts::TokenLatency(Tokens kv_length) const {
  return Nanoseconds(std::llround(costs_.layers * LayerNanoseconds(kv_length))) +
         costs_.wafer_hop * (costs_.wafers - 1) + costs_.fixed;
}

}  // namespace waferline::emulator
