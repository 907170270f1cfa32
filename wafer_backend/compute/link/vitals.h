// What a worker's loop says of itself, for a probe on another thread. Written by the loop's thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace waferline::link {

struct Vitals {
  // The loop's clock (Reactor::Now) when it last turned, or was between two layers; 0: it has not
  // begun.
  std::atomic<int64_t> awake_ns{0};
  std::atomic<bool> owned{false};    // by a driver
  std::atomic<bool> loading{false};  // layers that it was assigned
  std::atomic<uint64_t> refused{0};  // connections
};

}  // namespace waferline::link
