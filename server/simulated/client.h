// A client of a simulated cloud: asks, compares each token with the text of a run without faults,
// sometimes goes away, and sees to it that every request has exactly one end within its bound.
//
// Owner and thread: a process of the world.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/simulated/cloud.h"

namespace waferline::simulated {

// kMayLeave: it sometimes disconnects before the end. kAlone: no other request is there, so its
// tokens' instants are known too.
enum class Manner : uint8_t { kMayLeave, kStays, kAlone };

// One request to a front end, from its session to its end.
Ending AskOnce(Cloud* cloud, Cloud::Front* front, size_t ask, Manner manner);

// What a client does until `over`.
void RunClient(Cloud* cloud, const Process& process, int number);

}  // namespace waferline::simulated
