// The kinds of frames.h.
#pragma once

#include <cstdint>

namespace waferline::link {

// On the wire; a number is never used again for something else.
enum class FrameKind : uint8_t {
  kHello = 1,
  kActivation = 2,
  kToken = 3,
  kLogits = 4,
  kKv = 5,
  kKvReceived = 6,
  kMemory = 7,
  kAskMemory = 8,
  kOpen = 9,
  kClose = 10,
  kJoin = 11,
  kAnswer = 12,
  kShards = 13,
  kPrefill = 14,
  kHandOff = 15,
  kCancel = 16,
  kPrefilled = 17,
  kPromptLogprobs = 18,
  kHandedOff = 19,
  // 20 was a ping
  kLayerRows = 21,
  kRefused = 22,
  kHeartbeat = 23,  // a connection's own: frame_codec.h
  kAssign = 24,
};

}  // namespace waferline::link
