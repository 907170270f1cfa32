// What must hold of a simulated cloud: at any time, and once there are no more faults (after
// Trouble::Mend). Called by a process of the world; failures go to Cloud::Fail.
#pragma once

#include "server/simulated/cloud.h"

namespace waferline::simulated {

// Of each front end that serves: the engine's laws, no shard holds more than its SRAM.
void CheckWhileServing(Cloud* cloud);

// A request of each kind succeeds, the first within the recovery bound.
void CheckRecovery(Cloud* cloud);

// The front end that serves, its engine, its driver and its workers hold nothing, their figures
// agree.
void CheckNothingHeld(Cloud* cloud);

// One request when nothing else is there, which no other request can blur: its rows between shards
// (law 3) and its tokens' instants (law 6). After CheckNothingHeld.
void CheckAlone(Cloud* cloud);

}  // namespace waferline::simulated
