#include "scheduler/simulator/offline_cloud.h"

#include <algorithm>
#include <deque>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "scheduler/fleet/live_faults.h"
#include "wafer_backend/base/status.h"

namespace waferline::simulator {

absl::StatusOr<std::unique_ptr<OfflineCloud>> OfflineCloud::Build(
    const fleet::FleetConfig& config) {
  auto cloud = std::unique_ptr<OfflineCloud>(new OfflineCloud());
  cloud->config_ = config;
  for (const fleet::LaneConfig& lane : config.models) {
    auto devices = fleet::LaneDevices::Build(lane, &cloud->timeline_);
    if (!devices.ok()) {
      return absl::Status(devices.status().code(),
                          absl::StrCat("model \"", lane.model, "\": ", devices.status().message()));
    }
    cloud->lanes_.push_back(*std::move(devices));
  }
  WL_RETURN_IF_ERROR(cloud->PlanFaults());
  return cloud;
}

absl::Status OfflineCloud::PlanFaults() {
  std::deque<fleet::LiveFaults> live;
  for (uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    live.emplace_back(lanes_[lane].get(), engine::LaneIndex{lane});
  }
  // By rising time: what a fault does depends on those before it.
  std::vector<size_t> order(config_.faults.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return config_.faults[a].at < config_.faults[b].at;
  });
  for (const size_t number : order) {
    const fleet::FaultConfig& fault = config_.faults[number];
    const engine::Fault& of = fault.fault;
    if (!fault.hardware.has_value()) {
      if (of.kind == engine::Fault::Kind::kUnitSpeed) live.at(of.lane.value).Forget(of.index);
      faults_.push_back({fault.at, of});
      continue;
    }
    const auto effect =
        live.at(of.lane.value).Inject(of.index, *fault.hardware, fault.spare_wafers);
    if (!effect.ok()) {
      return absl::Status(effect.status().code(),
                          absl::StrCat("fault ", number, ": ", effect.status().message()));
    }
    for (const fleet::TimedChange& change : effect->changes) {
      faults_.push_back({fault.at + change.after, change.fault});
    }
  }
  return absl::OkStatus();
}

std::vector<engine::LaneSpec> OfflineCloud::Lanes() const {
  std::vector<engine::LaneSpec> lanes;
  for (const auto& devices : lanes_) lanes.push_back(devices->Spec(nullptr, {}));
  return lanes;
}

std::vector<LanePower> OfflineCloud::Power() const {
  const auto to_power = [this](const fleet::LaneDevices::Power& p) {
    return DevicePower{.watts_busy = p.watts,
                       .watts_idle = p.watts * config_.idle_power_share,
                       .usd_per_hour = p.usd_per_hour,
                       .systems = p.systems};
  };
  std::vector<LanePower> power;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    LanePower& lane = power.emplace_back();
    lane.workers.assign(config_.models[i].prefill.workers, to_power(lanes_[i]->worker_power()));
    for (const fleet::LaneDevices::Power& unit : lanes_[i]->UnitPower()) {
      lane.units.push_back(to_power(unit));
    }
  }
  return power;
}

ReplayOptions OfflineCloud::Options() const {
  ReplayOptions options;
  options.engine.max_sequences = config_.max_sequences;
  options.faults = faults_;
  return options;
}

std::vector<std::string> OfflineCloud::Labels() const {
  std::vector<std::string> labels;
  for (const auto& devices : lanes_) labels.push_back(devices->label());
  return labels;
}

}  // namespace waferline::simulator
