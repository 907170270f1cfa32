#include "wafer_backend/hardware/placement/device_prediction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "wafer_backend/base/status.h"

namespace waferline::placement {
namespace {

using silicon::AcceleratorSpec;

enum Quantity : size_t { kUser, kAggregate, kServing, kTtft, kWatts, kJoules, kUsd, kQuantities };
using Quantities = std::array<double, kQuantities>;

Quantities QuantitiesOf(const DeviceFigures& at, int64_t users) {
  Quantities out{};
  out[kUser] = 1 / at.token_seconds;
  out[kAggregate] = out[kUser] * static_cast<double>(users);
  out[kServing] = at.full_per_second;
  out[kTtft] = 1e3 * at.first_token_seconds;
  out[kWatts] = at.watts;
  out[kJoules] = at.watts / out[kAggregate];
  out[kUsd] = at.usd_per_hour / 3600 / out[kAggregate] * 1e6;
  return out;
}

// Moves one uncertain fact after another to the ends of its range.
class DeviceSpread {
 public:
  DeviceSpread(const DeviceTask& task, const DeviceFigures& nominal)
      : task_(task),
        moved_(task.hardware),
        devices_(nominal.devices),
        at_(QuantitiesOf(nominal, task.users)) {}

  AcceleratorSpec& spec() { return std::get<AcceleratorSpec>(moved_.spec); }

  void Vary(const char* name, Fact* fact) {
    if (fact->low == fact->high) return;
    const double value = fact->value;
    const Quantities low = With(fact, fact->low), high = With(fact, fact->high);
    fact->value = value;
    for (size_t i = 0; i < kQuantities; ++i) {
      const double a = low[i] - at_[i], b = high[i] - at_[i];
      const double down = std::min({a, b, 0.0}), up = std::max({a, b, 0.0});
      down_[i] += down * down;
      up_[i] += up * up;
    }
    if (low[kUser] != high[kUser]) influences_.push_back({name, low[kUser], high[kUser]});
  }
  Estimate Of(Quantity quantity) const {
    const double value = at_[quantity];
    return {value, std::max(value - std::sqrt(down_[quantity]), 0.05 * value),
            value + std::sqrt(up_[quantity])};
  }
  std::vector<Influence> TakeInfluences() {
    std::sort(influences_.begin(), influences_.end(), [](const Influence& a, const Influence& b) {
      return std::abs(a.at_high - a.at_low) > std::abs(b.at_high - b.at_low);
    });
    return std::move(influences_);
  }

 private:
  Quantities With(Fact* fact, double value) {
    fact->value = value;
    DeviceTask task{.shape = task_.shape,
                    .hardware = moved_,
                    .devices = devices_,
                    .bytes_per_weight = task_.bytes_per_weight,
                    .bytes_per_kv_value = task_.bytes_per_kv_value,
                    .kv = task_.kv,
                    .users = task_.users,
                    .prompt = task_.prompt,
                    .generate = task_.generate};
    const auto at = FiguresOf(task);
    return at.ok() ? QuantitiesOf(*at, task_.users) : at_;
  }

  const DeviceTask& task_;
  silicon::Hardware moved_;
  const int devices_;
  const Quantities at_;
  Quantities down_{}, up_{};
  std::vector<Influence> influences_;
};

void VaryAll(DeviceSpread* spread) {
  AcceleratorSpec& spec = spread->spec();
  // Every fact but memory_bytes, a size: what fits once fits always.
  spread->Vary("arithmetic in FP16", &spec.peak_fp16_flops);
  if (spec.peak_fp8_flops) spread->Vary("arithmetic in 8 bits", &*spec.peak_fp8_flops);
  if (spec.peak_fp4_flops) spread->Vary("arithmetic in 4 bits", &*spec.peak_fp4_flops);
  spread->Vary("bandwidth of memory", &spec.memory_bytes_per_second);
  spread->Vary("network", &spec.network_bytes_per_second);
  spread->Vary("compute efficiency", &spec.compute_efficiency);
  spread->Vary("memory efficiency", &spec.memory_efficiency);
  spread->Vary("launching a layer", &spec.layer_seconds);
  if (spec.chip_hop_seconds) {
    spread->Vary("hop between chips", &*spec.chip_hop_seconds);
  } else {
    spread->Vary("allreduce of a few bytes", &spec.allreduce_seconds);
    spread->Vary("bandwidth between devices", &spec.link_bytes_per_second);
  }
  spread->Vary("watts", &spec.power_watts);
  spread->Vary("price of an hour", &spec.usd_per_hour);
}

}  // namespace

absl::StatusOr<DevicePrediction> PredictOnDevices(const DeviceTask& task) {
  DevicePrediction out;
  WL_ASSIGN_OR_RETURN(out.figures, FiguresOf(task));
  DeviceSpread spread(task, out.figures);
  VaryAll(&spread);
  out.tokens_per_second = spread.Of(kUser);
  out.aggregate_per_second = spread.Of(kAggregate);
  if (out.figures.full_per_second > 0) out.serving_per_second = spread.Of(kServing);
  out.ttft_ms = spread.Of(kTtft);
  out.watts = spread.Of(kWatts);
  out.joules_per_token = spread.Of(kJoules);
  out.usd_per_million_tokens = spread.Of(kUsd);
  out.influences = spread.TakeInfluences();
  return out;
}

}  // namespace waferline::placement
