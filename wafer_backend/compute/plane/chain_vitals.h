// How a chain of remote shards is, for metrics and for what spreads sequences over chains.
// Written by the thread that drives the chain, read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "wafer_backend/base/units.h"

namespace waferline::plane {

enum class ChainState : uint8_t { kDown, kBuilding, kUp };

struct ChainVitals {
  std::atomic<ChainState> state{ChainState::kDown};
  std::atomic<uint64_t> generation{0};  // of the last chain that was built
  // For how long nothing came from the worker, shard or prefill, that has been silent for longest.
  std::atomic<int64_t> silence_ns{0};
  std::atomic<int64_t> outage_ns{0};  // for so long by now workers that are needed are gone
};

// The same as a value.
struct ChainFigures {
  ChainState state = ChainState::kDown;
  uint64_t generation = 0;
  Nanoseconds silence;
  Nanoseconds outage_lasts;
  std::string outage;  // what is gone; "": sequences can be computed
};

}  // namespace waferline::plane
