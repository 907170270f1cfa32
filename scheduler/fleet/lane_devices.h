// The emulated devices of one model, built from its configuration: prefill workers, decode units,
// links. Owner: what built it (server/app, scheduler/simulator); must outlive the engine, and the
// timeline must outlive it. Const calls: any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/indices.h"
#include "scheduler/engine/lane.h"
#include "scheduler/fleet/config/lane_config.h"
#include "wafer_backend/api/devices.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/timeline.h"
#include "wafer_backend/hardware/placement/faults.h"
#include "wafer_backend/hardware/placement/split_model.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::fleet {

class LaneDevices {
 public:
  // InvalidArgument or ResourceExhausted, naming the field, if the hardware, profile
  // or shape is unknown, of the wrong kind for its place, or too small for the model.
  static absl::StatusOr<std::unique_ptr<LaneDevices>> Build(const fleet::LaneConfig& config,
                                                            Timeline* timeline);

  // The lane as the engine wants it. `values` produces the tokens; if it really holds KV, `real` is
  // what its shards have, shared by the units, and a sequence leases room there too. `context`:
  // positions of the longest sequence.
  engine::LaneSpec Spec(ValueSource* values, const std::vector<ShardMemory>& real) const;

  // KV ledgers of one decode unit's emulated stages, for value sources that hold none of their own.
  const std::vector<ShardMemory>& emulated_memory(size_t unit_group) const {
    return groups_.at(unit_group).memory;
  }

  // What a device draws at work and costs, from its hardware file.
  struct Power {
    double watts = 0;
    double usd_per_hour = 0;
    int systems = 0;  // wafers or accelerators that it is made of
  };
  const Power& worker_power() const { return worker_power_; }
  std::vector<Power> UnitPower() const;  // in the order of LaneSpec::units

  // What a hardware fault costs unit `unit` (all groups counted through); of `setting` what is said
  // of prefill is replaced by this lane's. InvalidArgument names what is out of range, or says that
  // the unit is not a wafer.
  absl::StatusOr<placement::FaultCost> CostOf(engine::DeviceIndex unit,
                                              const placement::HardwareFault& fault,
                                              placement::FaultSetting setting) const;

  // Of a unit of kind split, what it costs that this many of its links failed; null for others.
  struct LinkCost {
    int links = 0;        // that it has
    double sending = 1;   // takes this many times as long
    double slowdown = 1;  // of a step of all its sequences
  };
  std::optional<LinkCost> LinkCostOf(engine::DeviceIndex unit, int failed) const;

  // An entry of `decode:` and what became of it, for those who draw it.
  struct Group {
    const fleet::DecodeConfig* config;
    const silicon::Hardware* hardware;      // of one kind; the name alone of a split
    const placement::Placement* placement;  // of wafers
  };
  std::vector<Group> Groups() const;

  // "llama-3.1-8b on 1 x wse-3 (vendor-2024), prefill on 2 x h100": what clients are shown.
  const std::string& label() const { return label_; }
  Tokens context() const { return context_; }

 private:
  // Units of one entry of `decode:`.
  struct UnitGroup {
    fleet::DecodeConfig config;
    // Of wafers: what a fault's cost is computed from.
    std::optional<timing::Profile> profile;
    engine::Speculation speculation;  // as the profile states it
    silicon::Hardware hardware;       // of a split unit the name alone
    std::optional<placement::SplitModel> split;
    placement::Placement placement;
    std::vector<ShardMemory> memory;
    Power power;
    int devices = 1;  // of a unit
    int wafers = 0;   // of them
    std::vector<std::unique_ptr<DecodePipeline>> pipelines;
    std::vector<std::unique_ptr<BatchDecoder>> batches;
  };
  LaneDevices() = default;
  absl::Status AddWorkers();
  absl::Status AddUnits(const fleet::DecodeConfig& decode);
  // What of a group is made for machines of each sort; the label of its hardware.
  absl::StatusOr<std::string> AddWafers(UnitGroup* group) const;
  absl::StatusOr<std::string> AddAccelerators(UnitGroup* group) const;
  // Of accelerators, those that a token passes one after another.
  absl::Status AddChips(UnitGroup* group) const;
  void AddPipelines(const timing::DecodeCosts& costs, UnitGroup* group) const;
  absl::StatusOr<std::string> AddSplit(UnitGroup* group) const;

  placement::PlacementTask TaskOf(const UnitGroup& group) const;
  // Of the decode units in the groups' order; null if there are not that many.
  const UnitGroup* GroupOf(engine::DeviceIndex unit) const;
  uint32_t UnitCount() const;

  fleet::LaneConfig config_;
  timing::ModelSizes shape_;
  silicon::Hardware prefill_hardware_;
  Tokens context_;
  Bytes kv_bytes_per_token_;
  std::string label_;
  std::vector<std::unique_ptr<PrefillDevice>> workers_;
  Power worker_power_;
  std::vector<UnitGroup> groups_;
  std::vector<std::unique_ptr<KvLink>> links_;  // one, or one a unit
};

}  // namespace waferline::fleet
