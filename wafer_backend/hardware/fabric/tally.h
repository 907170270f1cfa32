// What happened in one cycle of a mesh, and which cycle it is. Internal to this folder.
#pragma once

#include <algorithm>
#include <cstdint>

namespace waferline::fabric {

inline constexpr int32_t kNever = INT32_MAX;

struct Tally {
  int64_t moved = 0;  // wavelets by routers, cores that acted, ramps with something under way
  int64_t hops = 0, sent = 0, taken = 0;
  int64_t finished = 0;         // cores that came to their program's end
  int32_t next_ready = kNever;  // the earliest cycle at which a core will have computed

  void Add(const Tally& other) {
    moved += other.moved;
    hops += other.hops;
    sent += other.sent;
    taken += other.taken;
    finished += other.finished;
    next_ready = std::min(next_ready, other.next_ready);
  }
};

struct StepTime {
  uint32_t step = 1;  // rises by one each time
  int32_t now = 0;    // the cycle: rises by one or, when nothing moved anywhere, by more
};

}  // namespace waferline::fabric
