// The hardware faults that a running lane's units have had, and what the next one does to a unit on
// top of them.
//
// Owner: server/app, or whatever runs a fault script. Any thread: an operator's calls come on
// several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/indices.h"
#include "scheduler/fleet/hardware_faults.h"
#include "scheduler/fleet/lane_devices.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/hardware/placement/faults.h"

namespace waferline::fleet {

// What hit a unit since its speed was last set. A value.
struct UnitFaults {
  static constexpr size_t kMax = 256;  // that slow; each is looked at for every further one

  std::vector<placement::HardwareFault> slowing;  // for FaultSetting::standing
  double slowed = 1;                              // by those, together
  double repaired = 1;  // by the hops and narrower meshes of repairs, together

  // Takes a fault in, whose cost was computed under `slowing`; the slowdown under everything.
  double Add(const placement::HardwareFault& fault, const placement::FaultCost& cost);
};

class LiveFaults {
 public:
  // `devices` must outlive this; `lane` is the engine's number of them.
  LiveFaults(const LaneDevices* devices, engine::LaneIndex lane) : devices_(devices), lane_(lane) {}

  // What a fault does to unit `unit` (all groups counted through), in addition to those before it.
  // InvalidArgument names what is out of range, or says that the unit is not a wafer;
  // ResourceExhausted after UnitFaults::kMax that slow. Neither counts as a fault.
  absl::StatusOr<FaultEffect> Inject(engine::DeviceIndex unit,
                                     const placement::HardwareFault& fault, int spare_wafers);
  // To be called when the unit's speed is set: that replaces everything before it.
  void Forget(engine::DeviceIndex unit);

 private:
  // Of a split unit, between its sides.
  absl::StatusOr<FaultEffect> LoseLinks(engine::DeviceIndex unit,
                                        const placement::HardwareFault& fault, UnitFaults* faults)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LaneDevices* const devices_;
  const engine::LaneIndex lane_;
  Mutex mutex_;
  std::map<engine::DeviceIndex, UnitFaults> faults_
      ABSL_GUARDED_BY(mutex_);  // of units that were hit
};

}  // namespace waferline::fleet
