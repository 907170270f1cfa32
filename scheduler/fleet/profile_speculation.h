// Speculation as a profile states it, for lanes that do not say theirs. Pure; any thread.
#pragma once

#include <functional>

#include "scheduler/engine/lane.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::fleet {

// Drafts whose tokens are each accepted with one probability, such that a pass accepts
// tokens_per_step tokens on average (16 drafted ones at most, so up to 17), and the drafting time
// that makes a lone user's pass draft_seconds longer, of which `rows_take` is what so many further
// rows take without drafting. Off for a profile that accepts one a pass.
engine::Speculation SpeculationOf(const timing::Profile& profile,
                                  const std::function<Nanoseconds(int)>& rows_take);

}  // namespace waferline::fleet
