#include "scheduler/fleet/hardware_faults.h"

#include <cmath>

namespace waferline::fleet {

FaultEffect EffectOf(const placement::FaultCost& cost, engine::LaneIndex lane,
                     engine::DeviceIndex index) {
  using Kind = engine::Fault::Kind;
  FaultEffect effect{.slowdown = cost.slowdown, .story = cost.story};
  const auto add = [&](double after_seconds, Kind kind, double factor) {
    effect.changes.push_back({Nanoseconds(std::llround(after_seconds * 1e9)),
                              {.kind = kind, .lane = lane, .index = index, .factor = factor}});
  };
  if (cost.kv_bytes_lost <= 0 && cost.serving) {
    // A token that is in the pipeline when links fail waits once, until traffic uses the others:
    // passes that begin in that time take that much longer.
    const double passes = cost.detect_seconds * cost.user_before;
    if (passes > 0) add(0, Kind::kUnitSpeed, cost.slowdown * (1 + passes));
    add(cost.detect_seconds, Kind::kUnitSpeed, cost.slowdown);
    return effect;
  }
  add(0, Kind::kUnitLost, 1);
  if (!cost.serving) {
    effect.slowdown = 1;
    return effect;
  }
  effect.downtime_seconds = cost.detect_seconds + cost.reconfigure_seconds + cost.reload_seconds;
  add(effect.downtime_seconds, Kind::kUnitSpeed, cost.slowdown);
  add(effect.downtime_seconds, Kind::kUnitBack, 1);
  return effect;
}

}  // namespace waferline::fleet
