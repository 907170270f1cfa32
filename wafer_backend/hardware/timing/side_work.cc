#include "wafer_backend/hardware/timing/side_work.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {
namespace {

constexpr double kFlopsPerMac = 2;

struct Rates {
  double bytes_per_second = 0;
  double macs_per_second = 0;
};

Rates RatesOf(const silicon::AcceleratorSpec& device, const Holding& holding) {
  const double devices = holding.devices;
  return {devices * device.memory_bytes_per_second.value * device.memory_efficiency.value,
          devices * device.peak_fp16_flops.value * device.compute_efficiency.value / kFlopsPerMac};
}

}  // namespace

double SideWork::At(const MicroBatch& batch) const {
  const double tokens = batch.sequences * batch.width;
  double seen = batch.positions;
  if (window > 0) seen = std::min(seen, static_cast<double>(window) * batch.sequences);
  double reading = weight_seconds + position_read_seconds * seen;
  if (expert_seconds > 0) {
    reading += expert_seconds * (1 - std::pow(1 - expert_share, tokens));
  }
  const double arithmetic = token_seconds * tokens + position_seconds * seen * batch.width;
  return start_seconds + std::max(reading, arithmetic);
}

SideWork WorkOf(const LayerKind& kind, const silicon::AcceleratorSpec& device,
                const Holding& holding) {
  const Rates rates = RatesOf(device, holding);
  const double weight = holding.bytes_per_weight / rates.bytes_per_second;
  return {.start_seconds = kind.start_share * device.step_overhead_seconds.value /
                           static_cast<double>(holding.layers),
          .weight_seconds = (kind.parameters() - kind.expert_parameters) * weight,
          .expert_seconds = kind.expert_parameters * weight,
          .expert_share = kind.expert_share,
          .position_read_seconds =
              kind.kv_values_per_position * holding.bytes_per_kv_value / rates.bytes_per_second,
          .token_seconds = kind.active_parameters / rates.macs_per_second,
          .position_seconds = kind.attention_macs_per_position / rates.macs_per_second,
          .window = kind.window};
}

SideWork OutputWorkOf(const ModelSizes& shape, const silicon::AcceleratorSpec& device,
                      const Holding& holding) {
  const Rates rates = RatesOf(device, holding);
  const double parameters = VocabularyParameters(shape);
  return {.weight_seconds = parameters * holding.bytes_per_weight / rates.bytes_per_second,
          .token_seconds = parameters / rates.macs_per_second};
}

}  // namespace waferline::timing
