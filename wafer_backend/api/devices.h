// The timing plane as the scheduler sees it: when things happen on the emulated hardware. Devices
// live on one Timeline and are single-threaded with it; durations come from wafer_backend/hardware.
// Nothing here blocks or fails.
#pragma once

#include <span>
#include <vector>

#include "wafer_backend/base/timeline.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// Part of a prompt that a prefill worker computes in one step.
struct PrefillChunk {
  Tokens fresh;  // tokens computed now
  Tokens
      before;  // tokens of the same prompt whose KV is already there (earlier chunks, prefix cache)
};

// One worker of the prefill pool (GPU-like: steps over a batch of chunks, compute-bound).
class PrefillDevice {
 public:
  virtual ~PrefillDevice() = default;
  virtual Nanoseconds StepTime(std::span<const PrefillChunk> batch) const = 0;
};

// A model laid over the stages of one or more wafers. A token enters at max(ready, last entry +
// bottleneck stage time) and leaves after the sum of its stage latencies, which depends on its KV
// length. O(1) a token.
class DecodePipeline {
 public:
  struct Beat {
    Nanoseconds enters;
    Nanoseconds leaves;
  };
  virtual ~DecodePipeline() = default;
  virtual Beat Enter(Nanoseconds ready, Tokens kv_length) = 0;
  // Users whose tokens fit into the pipeline at once at this KV length: more cost speed.
  virtual int depth(Tokens kv_length) const = 0;
  virtual int stage_count() const = 0;
};

// A KV link that its transfers share. `done` gets `payload` at the instant when the last byte has
// arrived.
class KvLink {
 public:
  virtual ~KvLink() = default;
  virtual void Start(Bytes bytes, EventTarget* done, uint64_t payload) = 0;
};

}  // namespace waferline
