// The decode units of a lane: pipelines of wafers, groups of accelerators, and units that are
// split.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/fleet/lane_devices.h"
#include "scheduler/fleet/profile_speculation.h"
#include "scheduler/fleet/split_unit.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/emulator/hardware_costs.h"
#include "wafer_backend/emulator/roofline.h"
#include "wafer_backend/emulator/split_decoder.h"
#include "wafer_backend/emulator/wafer_pipeline.h"
#include "wafer_backend/hardware/placement/chip_pipeline.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/placement/split_side.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::fleet {
namespace {

// Where a stage's time is taken for the drafts of a profile (calibrated there).
constexpr int64_t kUsualContext = 1024;

constexpr Tokens kPageTokens{64};
// Weights and KV of each wafer, as the ledger wants them. A wafer's stages share its SRAM, so its
// KV is booked as one.
std::vector<ShardMemory> MemoryOf(const timing::DecodeCosts& costs) {
  std::vector<ShardMemory> wafers(static_cast<size_t>(costs.wafers));
  for (const timing::StageCost& stage : costs.stages) {
    ShardMemory& wafer = wafers.at(static_cast<size_t>(stage.wafer));
    wafer.capacity += Bytes(static_cast<int64_t>(stage.capacity_bytes));
    wafer.weights += Bytes(static_cast<int64_t>(stage.weight_bytes));
    wafer.kv_per_page +=
        Bytes(static_cast<int64_t>(stage.kv_bytes_per_position)) * kPageTokens.count();
    wafer.page_tokens = kPageTokens;
  }
  std::erase_if(wafers, [](const ShardMemory& wafer) { return wafer.kv_per_page == Bytes(); });
  return wafers;
}

std::vector<ShardMemory> MemoryOf(const silicon::AcceleratorSpec& device, int devices,
                                  const timing::BatchCosts& costs) {
  return {{.capacity = Bytes(static_cast<int64_t>(device.memory_bytes.value * devices)),
           .weights = Bytes(static_cast<int64_t>(costs.weight_bytes)),
           .buffers = Bytes(),
           .kv_per_page =
               Bytes(static_cast<int64_t>(costs.kv_bytes_per_position)) * kPageTokens.count(),
           .page_tokens = kPageTokens}};
}

}  // namespace

absl::StatusOr<std::string> LaneDevices::AddWafers(UnitGroup* group) const {
  const fleet::DecodeConfig& decode = group->config;
  const silicon::WaferSpec& wafer = *group->hardware.wafer();
  if (decode.devices_per_unit != 1) {
    return absl::InvalidArgumentError("devices_per_unit has no effect on a wafer; leave it out");
  }
  WL_ASSIGN_OR_RETURN(group->profile, timing::LoadProfile(decode.profile));
  const placement::PlacementTask task = TaskOf(*group);
  WL_ASSIGN_OR_RETURN(group->placement, placement::Place(task));
  const timing::DecodeCosts costs = placement::SpeedOf(task, group->placement).costs;
  const Nanoseconds stage = costs.StageTime(Tokens(kUsualContext));
  group->speculation = SpeculationOf(*group->profile, [&](int rows) { return rows * stage; });
  group->memory = MemoryOf(costs);
  group->devices = group->wafers = static_cast<int>(costs.wafers);
  group->power = {.watts = wafer.power_decode_watts.value * costs.wafers,
                  .usd_per_hour = wafer.usd_per_system_hour.value * costs.wafers,
                  .systems = group->devices};
  AddPipelines(costs, group);
  return absl::StrCat(decode.units * group->devices, " x ", group->hardware.name, " (",
                      group->profile->name, ")");
}

void LaneDevices::AddPipelines(const timing::DecodeCosts& costs, UnitGroup* group) const {
  auto first = std::make_unique<emulator::WaferPipeline>(
      std::make_shared<emulator::HardwareStageCosts>(costs, context_));
  for (int unit = 1; unit < group->config.units; ++unit) {
    group->pipelines.push_back(first->Clone());
  }
  group->pipelines.push_back(std::move(first));
}

absl::Status LaneDevices::AddChips(UnitGroup* group) const {
  WL_ASSIGN_OR_RETURN(const placement::SplitSide side,
                      placement::SideOf({.shape = shape_,
                                         .hardware = group->hardware,
                                         .part = timing::LayerPart::kWhole,
                                         .devices = group->devices,
                                         .context = context_.count()}));
  const timing::DecodeCosts costs =
      placement::ChipPipelineOf(side, timing::LayersOf(shape_).kind_of);
  group->memory = MemoryOf(costs);
  AddPipelines(costs, group);
  return absl::OkStatus();
}

absl::StatusOr<std::string> LaneDevices::AddAccelerators(UnitGroup* group) const {
  const fleet::DecodeConfig& decode = group->config;
  const silicon::AcceleratorSpec& device = *group->hardware.accelerator();
  if (!decode.profile.empty() || decode.wafers_per_unit != 0) {
    return absl::InvalidArgumentError(
        "profile and wafers_per_unit have no effect on an accelerator; leave them out");
  }
  const int devices = group->devices = decode.devices_per_unit;
  group->power = {.watts = device.power_watts.value * devices,
                  .usd_per_hour = device.usd_per_hour.value * devices,
                  .systems = devices};
  if (device.chip_hop_seconds) {
    WL_RETURN_IF_ERROR(AddChips(group));
  } else {
    const timing::BatchCosts costs = emulator::RooflineOf(shape_, device, devices);
    group->memory = MemoryOf(device, devices, costs);
    for (int i = 0; i < decode.units; ++i) {
      group->batches.push_back(std::make_unique<emulator::RooflineDecoder>(costs));
    }
  }
  return absl::StrCat(decode.units * devices, " x ", group->hardware.name);
}

absl::StatusOr<std::string> LaneDevices::AddSplit(UnitGroup* group) const {
  WL_ASSIGN_OR_RETURN(SplitUnit unit,
                      SplitUnitOf(*group->config.split, shape_, context_, kPageTokens));
  const placement::SplitModel& model = unit.model;
  group->hardware.name = absl::StrCat(model.attention.hardware, " + ", model.ffn.hardware);
  group->memory = std::move(unit.memory);
  group->devices = model.devices();
  group->wafers = model.wafers();
  group->power = {
      .watts = model.watts(), .usd_per_hour = model.usd_per_hour(), .systems = model.devices()};
  for (int i = 0; i < group->config.units; ++i) {
    group->batches.push_back(std::make_unique<emulator::SplitDecoder>(model));
  }
  if (unit.speculates) {
    const emulator::SplitDecoder alone(model);
    const auto pass = [&](int rows) { return alone.StepTime(1, Tokens(kUsualContext), rows); };
    group->speculation =
        SpeculationOf(*unit.speculates, [&](int rows) { return pass(1 + rows) - pass(1); });
  }
  group->split = std::move(unit.model);
  return absl::StrCat(group->config.units, " x [", unit.label, "]");
}

absl::Status LaneDevices::AddUnits(const fleet::DecodeConfig& decode) {
  UnitGroup group{.config = decode};
  absl::StatusOr<std::string> label;
  if (decode.split.has_value()) {
    label = AddSplit(&group);
  } else {
    WL_ASSIGN_OR_RETURN(group.hardware, silicon::LoadHardware(decode.hardware));
    label = group.hardware.wafer() != nullptr ? AddWafers(&group) : AddAccelerators(&group);
  }
  WL_RETURN_IF_ERROR(label.status());
  absl::StrAppend(&label_, groups_.empty() ? " " : " and ", *label);
  groups_.push_back(std::move(group));
  return absl::OkStatus();
}

std::optional<LaneDevices::LinkCost> LaneDevices::LinkCostOf(engine::DeviceIndex unit,
                                                             int failed) const {
  const UnitGroup* const group = GroupOf(unit);
  if (group == nullptr || !group->split.has_value()) return std::nullopt;
  const int links = group->config.split->links, left = std::max(1, links - failed);
  LinkCost cost{.links = links, .sending = static_cast<double>(links) / left};
  const int sequences = group->config.max_running;
  const placement::SplitLoad load{sequences, sequences * kUsualContext, 1};
  const Nanoseconds healthy = placement::TimesOf(*group->split, load).step;
  const Nanoseconds slow = placement::TimesOf(*group->split, load, {.sending = cost.sending}).step;
  cost.slowdown = slow.as_double() / healthy.as_double();
  return cost;
}

}  // namespace waferline::fleet
