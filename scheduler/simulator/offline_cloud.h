// A whole fleet for an offline run: the timeline and every model's devices, built from its
// configuration.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/lane.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "scheduler/fleet/lane_devices.h"
#include "scheduler/simulator/replay.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::simulator {

class OfflineCloud {
 public:
  // Errors as fleet::LaneDevices::Build, with the model's name, and of faults that make no sense on
  // the hardware.
  static absl::StatusOr<std::unique_ptr<OfflineCloud>> Build(const fleet::FleetConfig& config);

  Timeline* timeline() { return &timeline_; }
  // Without value sources; in the order of the configuration.
  std::vector<engine::LaneSpec> Lanes() const;
  std::vector<LanePower> Power() const;
  // The engine and the faults of the configuration; the rest is the caller's.
  ReplayOptions Options() const;
  std::vector<std::string> Labels() const;

 private:
  OfflineCloud() = default;
  // Turns the configuration's faults into changes of the units.
  absl::Status PlanFaults();

  fleet::FleetConfig config_;
  std::vector<TimedFault> faults_;
  Timeline timeline_;
  std::vector<std::unique_ptr<fleet::LaneDevices>> lanes_;
};

}  // namespace waferline::simulator
