// What breaks on a decode unit's emulated wafers, as changes that the scheduler understands: it
// knows units that are lost, back, or slower by a factor, and nothing of hardware. The costs are
// those of hardware/placement/faults.h.
//
//   core, row, die, wafer   the unit is lost with all its KV (every sequence keeps positions on
//                           every core row, so each is prefilled again), and back when routes and
//                           weights are loaded again, slower by what the repair costs; not at all
//                           where neither a spare wafer nor fewer wafers hold the model
//   off-wafer link, power cap, thermal
//                           the unit is slower at once and keeps its KV
//
// A unit with several faults is as slow as all of them together make it, so a fault's slowdown
// takes the place of the last one's. Failing over to other links stands a token still for that
// long. A repair is a unit that is back (unit_back) and slower by 1 (unit_slow).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/engine/fault.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/placement/faults.h"

namespace waferline::fleet {

struct TimedChange {
  Nanoseconds after;  // the fault
  engine::Fault fault;
};

struct FaultEffect {
  std::vector<TimedChange> changes;  // by rising time
  double slowdown = 1;
  double downtime_seconds = 0;  // of the unit, without prefilling again: that is served as load
  std::string story;            // one sentence
};

// Of unit `index` of lane `lane`, on which the fault has this cost. Pure; any thread.
FaultEffect EffectOf(const placement::FaultCost& cost, engine::LaneIndex lane,
                     engine::DeviceIndex index);

}  // namespace waferline::fleet
