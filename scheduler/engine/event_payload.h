// What a part of the engine writes into the timeline's 64 bits: a kind of its own, what it concerns
// and the generation that makes a stale event recognisable. Values.
#pragma once

#include <cstdint>

namespace waferline::engine {

inline constexpr int kIndexBits = 24;

template <typename Kind>
struct EventPayload {
  Kind kind{};
  uint32_t index = 0;  // < 2^kIndexBits
  uint32_t generation = 0;

  static EventPayload Of(uint64_t word) {
    return {static_cast<Kind>(word >> 56),
            static_cast<uint32_t>(word >> 32) & ((1u << kIndexBits) - 1),
            static_cast<uint32_t>(word)};
  }
  uint64_t word() const {
    return static_cast<uint64_t>(kind) << 56 | static_cast<uint64_t>(index) << 32 | generation;
  }
};

}  // namespace waferline::engine
