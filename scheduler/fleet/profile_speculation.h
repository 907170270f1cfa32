// Speculation as a profile states it, for lanes that do not say theirs. Pure; any thread.
#pragma once

#include "scheduler/engine/lane.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::fleet {

// Drafts whose tokens are each accepted with one probability, such that a pass accepts
// tokens_per_step tokens on average (16 drafted ones at most, so up to 17), and the drafting time
// that makes a lone user's pass draft_seconds longer: a pass of so many rows already takes a
// stage's time, `stage_time`, for each further row. Off for a profile that accepts one a pass.
engine::Speculation SpeculationOf(const timing::Profile& profile, Nanoseconds stage_time);

}  // namespace waferline::fleet
