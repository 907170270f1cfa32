#include "scheduler/fleet/lane_devices.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/fleet/timed_shape.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/emulator/hardware_costs.h"
#include "wafer_backend/emulator/roofline.h"
#include "wafer_backend/emulator/shared_link.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::fleet {
namespace {

constexpr double kFp16Bytes = 2;

absl::Status Named(const std::string& field, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(field, ": ", status.message()));
}

absl::StatusOr<Tokens> ContextOf(const LaneConfig& config, const TimedShape& timed) {
  if (config.context > Tokens()) return config.context;
  if (!config.computed_file.empty()) {
    WL_ASSIGN_OR_RETURN(const TimedShape computed, LoadTimedShape(config.computed_file));
    return computed.context;
  }
  if (timed.context > Tokens()) return timed.context;
  return absl::InvalidArgumentError("is needed: the shape does not say how long a sequence may be");
}

}  // namespace

absl::StatusOr<std::unique_ptr<LaneDevices>> LaneDevices::Build(const fleet::LaneConfig& config,
                                                                Timeline* timeline) {
  auto lane = std::unique_ptr<LaneDevices>(new LaneDevices());
  lane->config_ = config;
  const absl::StatusOr<TimedShape> timed = LoadTimedShape(config.shape);
  WL_RETURN_IF_ERROR(Named("shape", timed.status()));
  const absl::StatusOr<Tokens> context = ContextOf(config, *timed);
  WL_RETURN_IF_ERROR(Named("context", context.status()));
  lane->context_ = *context;
  lane->shape_ = timed->shape;
  WL_RETURN_IF_ERROR(Named("prefill.hardware", lane->AddWorkers()));

  int units = 0;
  lane->label_ = timed->shape.name + " on";
  for (const fleet::DecodeConfig& decode : config.decode) {
    const std::string field = absl::StrCat("decode[", lane->groups_.size(), "]");
    WL_RETURN_IF_ERROR(Named(field, lane->AddUnits(decode)));
    units += decode.units;
  }
  for (int i = 0; i < (config.link.shared ? 1 : units); ++i) {
    lane->links_.push_back(std::make_unique<emulator::SharedLink>(
        timeline, config.link.bytes_per_second, config.link.latency));
  }
  absl::StrAppend(&lane->label_, ", prefill on ",
                  config.prefill.workers * config.prefill.devices_per_worker, " x ",
                  config.prefill.hardware);
  return lane;
}

absl::Status LaneDevices::AddWorkers() {
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware,
                      silicon::LoadHardware(config_.prefill.hardware));
  if (hardware.accelerator() == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(hardware.name, " is a wafer; prefill workers must be accelerators"));
  }
  const silicon::AcceleratorSpec& device = *hardware.accelerator();
  const timing::BatchCosts costs =
      emulator::RooflineOf(shape_, device, config_.prefill.devices_per_worker);
  kv_bytes_per_token_ = Bytes(static_cast<int64_t>(costs.kv_bytes_per_position));
  const double chips = std::ceil(costs.weight_bytes / device.memory_bytes.value);
  if (device.chip_hop_seconds && config_.prefill.devices_per_worker < chips) {
    return absl::ResourceExhaustedError(absl::StrCat(hardware.name, ": the weights need ", chips,
                                                     " chips, devices_per_worker is ",
                                                     config_.prefill.devices_per_worker));
  }
  prefill_hardware_ = hardware;
  worker_power_ = {.watts = device.power_watts.value * config_.prefill.devices_per_worker,
                   .usd_per_hour = device.usd_per_hour.value * config_.prefill.devices_per_worker,
                   .systems = config_.prefill.devices_per_worker};
  for (int i = 0; i < config_.prefill.workers; ++i) {
    workers_.push_back(std::make_unique<emulator::RooflinePrefill>(costs));
  }
  return absl::OkStatus();
}

placement::PlacementTask LaneDevices::TaskOf(const UnitGroup& group) const {
  return {.shape = shape_,
          .wafer = *group.hardware.wafer(),
          .profile = *group.profile,
          .context = context_.count(),
          .wafers = group.config.wafers_per_unit,
          .bytes_per_kv_value = kFp16Bytes};
}

const LaneDevices::UnitGroup* LaneDevices::GroupOf(engine::DeviceIndex unit) const {
  uint32_t end = 0;
  for (const UnitGroup& group : groups_) {
    end += static_cast<uint32_t>(group.config.units);
    if (unit.value < end) return &group;
  }
  return nullptr;
}

std::vector<LaneDevices::Group> LaneDevices::Groups() const {
  std::vector<Group> groups;
  for (const UnitGroup& group : groups_) {
    groups.push_back({&group.config, &group.hardware, &group.placement});
  }
  return groups;
}

uint32_t LaneDevices::UnitCount() const {
  uint32_t units = 0;
  for (const UnitGroup& group : groups_) units += static_cast<uint32_t>(group.config.units);
  return units;
}

absl::StatusOr<placement::FaultCost> LaneDevices::CostOf(engine::DeviceIndex unit,
                                                         const placement::HardwareFault& fault,
                                                         placement::FaultSetting setting) const {
  const UnitGroup* const group = GroupOf(unit);
  if (group == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("unit index ", unit.value, " out of range [0, ",
                                                   UnitCount(), ") of model \"", config_.model,
                                                   "\""));
  }
  if (group->split.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unit ", unit.value, " of model \"", config_.model, "\" is split (", group->hardware.name,
        "); a slower part of it is a fault of its own (see the list of faults), and all of it is "
        "lost with unit_lost"));
  }
  if (group->hardware.wafer() == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unit ", unit.value, " of model \"", config_.model, "\" is a ",
                     group->config.hardware, ", not a wafer; use unit_lost or unit_slow"));
  }
  setting.prefill = prefill_hardware_.accelerator();
  setting.prefill_groups = config_.prefill.workers;
  return placement::CostOfFault(TaskOf(*group), group->placement, fault, setting);
}

engine::LaneSpec LaneDevices::Spec(ValueSource* values,
                                   const std::vector<ShardMemory>& real) const {
  engine::LaneSpec spec = config_.scheduling;
  spec.model = config_.model;
  spec.values = values;
  spec.kv_bytes_per_token = kv_bytes_per_token_;
  spec.context = static_cast<uint32_t>(context_.count());
  for (size_t i = 0; i < workers_.size(); ++i) {
    spec.workers.push_back({.name = absl::StrCat(config_.model, "/prefill-", i),
                            .device = workers_[i].get(),
                            .step_tokens = config_.prefill.step_tokens,
                            .backlog_tokens = config_.prefill.backlog_tokens,
                            .cache_tokens = config_.prefill.cache_tokens,
                            .memory_tokens = config_.prefill.memory_tokens,
                            .devices = config_.prefill.devices_per_worker,
                            .milliwatts = std::llround(1e3 * worker_power_.watts)});
  }
  const auto units = static_cast<int64_t>(UnitCount());
  size_t link = 0;
  for (const UnitGroup& group : groups_) {
    for (int i = 0; i < group.config.units; ++i, ++link) {
      engine::DecodeUnitSpec unit;
      unit.name = absl::StrCat(config_.model, "/", group.config.name, "-", i);
      if (group.pipelines.empty()) {
        unit.batch = group.batches[i].get();
      } else {
        unit.pipeline = group.pipelines[i].get();
      }
      unit.memory = group.memory;
      for (ShardMemory shard : real) {  // each unit has its share of the shards that really compute
        shard.capacity = shard.weights + shard.buffers + shard.kv_capacity() / units;
        unit.memory.push_back(shard);
      }
      unit.max_running = group.config.max_running;
      unit.link = links_[config_.link.shared ? 0 : link].get();
      unit.prefix_cache = group.config.prefix_cache;
      const bool fast = group.wafers > 0 || unit.pipeline != nullptr;
      unit.tier = group.config.tier.value_or(fast ? UnitTier::kFast : UnitTier::kSlow);
      if (!config_.states_draft) unit.speculation = group.speculation;
      unit.devices = group.devices;
      unit.wafers = unit.pipeline != nullptr && group.wafers == 0 ? -1 : group.wafers;
      unit.milliwatts = std::llround(1e3 * group.power.watts);
      spec.units.push_back(std::move(unit));
    }
  }
  return spec;
}

std::vector<LaneDevices::Power> LaneDevices::UnitPower() const {
  std::vector<Power> power;
  for (const UnitGroup& group : groups_) power.insert(power.end(), group.config.units, group.power);
  return power;
}

}  // namespace waferline::fleet
