// One look at the running cloud as the JSON that the page and `waferctl top` read: the engines'
// snapshot and what their journals have. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "scheduler/engine/snapshot.h"
#include "server/live/journal.h"
#include "wafer_backend/base/units.h"

namespace waferline::live {

struct LiveView {
  engine::EngineSnapshot engines;    // of all engines, merged
  std::vector<Activity> activities;  // of each engine, in the order of their lanes
  bool draining = false;
  Nanoseconds host_now;  // monotonic: two looks give rates of host time
};

std::string LiveJson(const LiveView& view);

}  // namespace waferline::live
