// Faults that only slow: links, power, heat.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "wafer_backend/hardware/placement/fault_case.h"

namespace waferline::placement {

double FaultCase::ClockUnder(const HardwareFault& fault) const {
  if (fault.kind == FaultKind::kThermal) return fault.clock_share;
  const double watts = task_.wafer.power_decode_watts.value;
  const double idle = watts * setting_.idle_power_share;
  return std::min(1.0, (fault.watts - idle) / (watts - idle));
}

void FaultCase::Slow(const HardwareFault& fault, ReplicaHealth* health) const {
  for (int place = 0; place < p_.depth; ++place) {
    if (fault.kind != FaultKind::kPowerCap && place != fault.place) continue;
    PlaceHealth& hit = health->places[static_cast<size_t>(place)];
    if (fault.kind == FaultKind::kLink) {
      const double lost = static_cast<double>(fault.links) / setting_.off_wafer_links;
      hit.io_share = std::max(1.0 / setting_.off_wafer_links, hit.io_share - lost);
    } else {
      hit.clock_share = std::min(hit.clock_share, ClockUnder(fault));
    }
  }
}

ReplicaHealth FaultCase::Standing() const {
  ReplicaHealth health{.places = std::vector<PlaceHealth>(static_cast<size_t>(p_.depth))};
  for (const HardwareFault& fault : setting_.standing) Slow(fault, &health);
  return health;
}

void FaultCase::LoseLinks() {
  int left = setting_.off_wafer_links - fault_.links;
  for (const HardwareFault& other : setting_.standing) {
    if (other.kind == FaultKind::kLink && other.place == fault_.place) left -= other.links;
  }
  if (left <= 0) {
    LoseWafer("All off-wafer links are dead, nothing reaches the wafer; ");
    return;
  }
  cost_.detect_seconds = setting_.failover_seconds;
  ReplicaHealth health = Standing();
  Slow(fault_, &health);
  SetAfter(SpeedOf(task_, p_, health));
  cost_.story = absl::StrFormat(
      "%d of %d off-wafer links carry on; activations take a little "
      "longer to send, what was under way is sent again.",
      left, setting_.off_wafer_links);
}

void FaultCase::SlowClock() {
  const bool cap = fault_.kind == FaultKind::kPowerCap;
  ReplicaHealth health = Standing();
  Slow(fault_, &health);
  const PlacementSpeed after = SpeedOf(task_, p_, health);
  SetAfter(after);
  if (cap) {  // for every replica's wafers
    cost_.aggregate_after = after.aggregate_tokens_per_second;
    cost_.full_after = after.full_tokens_per_second;
  }
  cost_.story = absl::StrFormat(
      "%s at %.1f %% of the clock; nothing is lost, and it ends with the %s.",
      cap ? "Every wafer runs" : "The wafer runs", 100 * ClockUnder(fault_), cap ? "cap" : "heat");
}

}  // namespace waferline::placement
