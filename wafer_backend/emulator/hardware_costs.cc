#include "wafer_backend/emulator/hardware_costs.h"

#include <cmath>

namespace waferline::emulator {
namespace {

Nanoseconds FromSeconds(double seconds) { return Nanoseconds(std::llround(seconds * 1e9)); }

}  // namespace

Nanoseconds HardwareStageCosts::StageTime(int stage, Tokens kv_length) const {
  return FromSeconds(costs_.stages.at(stage).busy.At(kv_length.as_double()));
}

timing::BatchCosts RooflineOf(const timing::ModelSizes& shape,
                              const silicon::AcceleratorSpec& device, int devices) {
  return timing::BatchCostsOf(shape, device, {.devices = devices});
}

}  // namespace waferline::emulator
