#include "wafer_backend/emulator/roofline.h"

#include <algorithm>
#include <cmath>

namespace waferline::emulator {
namespace {

Nanoseconds Roof(const RooflineHardware& hardware, double flops, double bytes) {
  const double seconds = std::max(flops / (hardware.flops_per_second * hardware.flops_efficiency),
                                  bytes / (hardware.bytes_per_second * hardware.bytes_efficiency));
  return hardware.step_overhead + Nanoseconds(std::llround(seconds * 1e9));
}

}  // namespace

RooflinePrefill::RooflinePrefill(const RooflineHardware& hardware, const RooflineModel& model)
    : hardware_(hardware), model_(model) {}

Nanoseconds RooflinePrefill::StepTime(std::span<const PrefillChunk> batch) const {
  double tokens = 0;
  double pairs = 0;
  double kv_tokens = 0;
  for (const PrefillChunk& chunk : batch) {
    const double fresh = chunk.fresh.as_double();
    const double before = chunk.before.as_double();
    tokens += fresh;
    pairs += fresh * (before + (fresh + 1) / 2);  // causal: the i-th fresh token sees i - 1 more
    kv_tokens += before + fresh;
  }
  const double flops =
      2 * model_.active_parameters * tokens + model_.attention_flops_per_pair * pairs;
  return Roof(hardware_, flops, model_.weight_bytes + model_.kv_bytes_per_token * kv_tokens);
}

RooflineDecoder::RooflineDecoder(const RooflineHardware& hardware, const RooflineModel& model)
    : hardware_(hardware), model_(model) {}

Nanoseconds RooflineDecoder::StepTime(int sequences, Tokens kv_total, int width) const {
  const double tokens = static_cast<double>(sequences) * width;
  const double flops = 2 * model_.active_parameters * tokens +
                       model_.attention_flops_per_pair * kv_total.as_double() * width;
  const double bytes =
      model_.weight_bytes + model_.kv_bytes_per_token * kv_total.as_double();  // read once a step
  const Nanoseconds healthy = Roof(hardware_, flops, bytes);
  return Nanoseconds(std::llround(healthy.as_double() * slowdown_));
}

}  // namespace waferline::emulator
