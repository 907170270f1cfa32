#include "wafer_backend/emulator/hardware_costs.h"

#include <cmath>

namespace waferline::emulator {
namespace {

constexpr double kFp16Bytes = 2;

Nanoseconds FromSeconds(double seconds) { return Nanoseconds(std::llround(seconds * 1e9)); }

}  // namespace

Nanoseconds HardwareStageCosts::StageTime(int stage, Tokens kv_length) const {
  return FromSeconds(costs_.stages.at(stage).busy.At(kv_length.as_double()));
}

RooflineHardware RooflineOf(const silicon::AcceleratorSpec& device, int devices) {
  return {.flops_per_second = device.peak_fp16_flops.value * devices,
          .bytes_per_second = device.memory_bytes_per_second.value * devices,
          .flops_efficiency = device.compute_efficiency.value,
          .bytes_efficiency = device.memory_efficiency.value,
          .step_overhead = FromSeconds(device.step_overhead_seconds.value)};
}

RooflineModel RooflineOf(const timing::ModelSizes& shape) {
  const timing::ModelLayers layers = timing::LayersOf(shape);
  RooflineModel model{.layers = static_cast<int>(shape.layers),
                      .weight_bytes = timing::TotalParameters(shape) * kFp16Bytes,
                      .active_parameters = timing::ActiveParameters(shape)};
  for (size_t i = 0; i < layers.kind_of.size(); ++i) {
    const timing::LayerKind& layer = layers.of(i);
    model.attention_flops_per_pair += 2 * layer.attention_macs_per_position;
    model.kv_bytes_per_token += kFp16Bytes * layer.kv_values_per_position;
  }
  return model;
}

}  // namespace waferline::emulator
