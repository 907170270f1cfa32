// A client of a simulated cloud: asks, compares each token with the text of a run without faults,
// sometimes goes away, and sees to it that every request has exactly one end within its bound.
//
// Owner and thread: a process of the world.
#pragma once

#include <cstddef>
#include <string>

#include "server/simulated/cloud.h"

namespace waferline::simulated {

// One request to a front end, from its session to its end. `patient`: it does not go away.
Ending AskOnce(Cloud* cloud, Cloud::Front* front, size_t ask, bool patient);

// What a client does until `over`.
void RunClient(Cloud* cloud, const Process& process, int number);

}  // namespace waferline::simulated
