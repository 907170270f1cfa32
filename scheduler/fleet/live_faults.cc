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
  if (fault.kind == placement::FaultKind::kLink && devices_->LinkCostOf(unit, 0).has_value()) {
    return LoseLinks(unit, fault, &faults);
  }
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

absl::StatusOr<FaultEffect> LiveFaults::LoseLinks(engine::DeviceIndex unit,
                                                  const placement::HardwareFault& fault,
                                                  UnitFaults* faults) {
  int failed = fault.links;
  for (const placement::HardwareFault& before : faults->slowing) failed += before.links;
  const LaneDevices::LinkCost cost = *devices_->LinkCostOf(unit, failed);
  if (failed >= cost.links) {
    return absl::InvalidArgumentError(
        absl::StrCat("links: ", failed, " of ", cost.links,
                     " links between the sides would have failed; without any the unit is lost "
                     "(unit_lost)"));
  }
  if (fault.place != 0) {
    return absl::InvalidArgumentError("place: a split unit has one link between its sides");
  }
  faults->slowing.push_back(fault);
  faults_[unit] = *faults;
  FaultEffect effect{.slowdown = cost.slowdown};
  effect.changes.push_back({Nanoseconds(),
                            {.kind = engine::Fault::Kind::kSideLink,
                             .lane = lane_,
                             .index = unit,
                             .factor = cost.sending}});
  effect.story =
      absl::StrCat(failed, " of ", cost.links, " links between the sides are down: sending takes ",
                   cost.sending, " times as long, a full step ", cost.slowdown, " times");
  return effect;
}

void LiveFaults::Forget(engine::DeviceIndex unit) {
  MutexLock lock(&mutex_);
  faults_.erase(unit);
}

}  // namespace waferline::fleet
