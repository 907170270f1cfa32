// Faults that only slow: links, power, heat.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "wafer_backend/hardware/placement/fault_case.h"

namespace waferline::placement {

void FaultCase::LoseLinks() {
  const int left = setting_.off_wafer_links - fault_.links;
  if (left == 0) {
    LoseWafer("All off-wafer links are dead, nothing reaches the wafer; ");
    return;
  }
  cost_.detect_seconds = setting_.failover_seconds;
  Health health{.places = std::vector<PlaceHealth>(static_cast<size_t>(p_.depth))};
  health.places[static_cast<size_t>(fault_.place)].io_share =
      static_cast<double>(left) / setting_.off_wafer_links;
  SetAfter(SpeedOf(task_, p_, health));
  cost_.story = absl::StrFormat(
      "%d of %d off-wafer links carry on; activations take a little "
      "longer to send, what was under way is sent again.",
      left, setting_.off_wafer_links);
}

void FaultCase::SlowClock() {
  const bool cap = fault_.kind == FaultKind::kPowerCap;
  const double watts = task_.wafer.power_decode_watts.value;
  const double idle = watts * setting_.idle_power_share;
  const double clock =
      cap ? std::min(1.0, (fault_.watts - idle) / (watts - idle)) : fault_.clock_share;
  Health health{.places = std::vector<PlaceHealth>(static_cast<size_t>(p_.depth))};
  for (int place = 0; place < p_.depth; ++place) {
    if (cap || place == fault_.place) {
      health.places[static_cast<size_t>(place)].clock_share = clock;
    }
  }
  const PlacementSpeed after = SpeedOf(task_, p_, health);
  SetAfter(after);
  if (cap) {  // for every replica's wafers
    cost_.aggregate_after = after.aggregate_tokens_per_second;
    cost_.full_after = after.full_tokens_per_second;
  }
  cost_.story = absl::StrFormat(
      "%s at %.1f %% of the clock; nothing is lost, and it ends with the %s.",
      cap ? "Every wafer runs" : "The wafer runs", 100 * clock, cap ? "cap" : "heat");
}

}  // namespace waferline::placement
