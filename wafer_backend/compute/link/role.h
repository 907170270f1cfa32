// What the sender of a HelloFrame is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace waferline::link {

// On the wire; a number is never used again for something else.
enum class Role : uint8_t {
  kDriver = 1,
  kNeighbour = 2,
  kPrefill = 3,
  kShard = 4,
  kExperts = 5,
  kFeedForward = 6,
  kAttention = 7,  // a shard whose layers' feed-forward parts are elsewhere
};

// For messages.
inline const char* NameOf(Role role) {
  constexpr const char* kNames[] = {"no worker",
                                    "a driver",
                                    "a neighbour",
                                    "a prefill worker",
                                    "a shard",
                                    "a worker of experts",
                                    "a feed-forward worker",
                                    "an attention worker"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace waferline::link
