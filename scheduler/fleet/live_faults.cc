#include "scheduler/fleet/live_faults.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::fleet {

double UnitFaults::Add(const placement::HardwareFault& fault, const placement::FaultCost& cost) {
  if (cost.kv_bytes_lost <= 0 && cost.serving) {
    slowing.push_back(fault);
    slowed = cost.slowdown;
  } else if (cost.serving) {
    repaired *= std::max(1.0, cost.slowdown / slowed);
  }
  return slowed * repaired;
}

absl::StatusOr<FaultEffect> LiveFaults::Inject(engine::DeviceIndex unit,
                                               const placement::HardwareFault& fault,
                                               int spare_wafers) {
  MutexLock lock(&mutex_);
  const auto known = faults_.find(unit);
  UnitFaults faults = known == faults_.end() ? UnitFaults() : known->second;
  if (faults.slowing.size() >= UnitFaults::kMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("unit ", unit.value, " has been slowed ", UnitFaults::kMax,
                     " times; set its speed (unit_slow) before the next fault"));
  }
  WL_ASSIGN_OR_RETURN(
      placement::FaultCost cost,
      devices_->CostOf(unit, fault, {.spare_wafers = spare_wafers, .standing = faults.slowing}));
  cost.slowdown = faults.Add(fault, cost);
  faults_[unit] = std::move(faults);
  return EffectOf(cost, lane_, unit);
}

void LiveFaults::Forget(engine::DeviceIndex unit) {
  MutexLock lock(&mutex_);
  faults_.erase(unit);
}

}  // namespace waferline::fleet
