// The timing plane as the scheduler sees it: when things happen on the emulated hardware. Devices
// live on one Timeline and are single-threaded with it; durations come from wafer_backend/hardware.
// Nothing here blocks or fails; a slowdown of 1 is the healthy device, 2 takes twice as long.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wafer_backend/base/timeline.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// Part of a prompt that a prefill worker computes in one step.
struct PrefillChunk {
  Tokens fresh;   // tokens computed now
  Tokens before;  // tokens of the same prompt whose KV is already there (earlier chunks, cache)
};

// One worker of the prefill pool (GPU-like: steps over a batch of chunks, compute-bound).
class PrefillDevice {
 public:
  virtual ~PrefillDevice() = default;
  virtual Nanoseconds StepTime(std::span<const PrefillChunk> batch) const = 0;
  // Layers of the model: in a step of t, the KV of the first is there after t / layers.
  virtual int layer_count() const = 0;
};

// A model laid over the stages of one or more wafers. A token enters at max(ready, when the
// bottleneck stage is free of the last one) and leaves after the sum of its stage latencies, both
// of which depend on its KV length. O(1) a token. Tokens whose KV lengths differ may overtake each
// other: the model does not hold a short one behind a long one inside the pipeline.
class DecodePipeline {
 public:
  struct Beat {
    Nanoseconds occupies;  // how long it holds the entry: no other beat enters meanwhile
    Nanoseconds leaves;
  };
  virtual ~DecodePipeline() = default;

  // `width` tokens of one sequence, one behind the other with no wait for each other's outcome (a
  // prompt, a draft to verify): they occupy the entry `width` times, the beat leaves with the last.
  virtual Beat Enter(Nanoseconds ready, Tokens kv_length, int width) = 0;
  // How long one token takes, alone and at once.
  virtual Nanoseconds Latency(Tokens kv_length) const = 0;
  // Users whose tokens fit into the pipeline at once at this KV length: more cost speed.
  virtual int depth(Tokens kv_length) const = 0;
  virtual int stage_count() const = 0;
  // How long this stage has worked since the start: the rest are bubbles.
  virtual Nanoseconds StageBusy(int stage) const = 0;
  virtual uint64_t entered() const = 0;  // tokens since the start
  virtual void SetSlowdown(double factor) = 0;
  // Of one stage, times that of the whole: the entry slows only as far as this becomes the
  // bottleneck, a token's latency only by this stage's part.
  virtual void SetStageSlowdown(int stage, double factor) = 0;
};

// The parts of a batch device whose layers are cut in two: attention, feed-forward, and the link
// between them.
enum class Side : uint8_t { kAttention, kFfn, kLink };
inline constexpr size_t kSides = 3;

class TwoSided {
 public:
  // What one step, healthy or not, keeps busy (of the link the fuller direction), and the bytes of
  // hidden states that cross: tokens x layers x hidden x bytes there and back.
  struct Use {
    std::array<Nanoseconds, kSides> busy;
    Bytes crossed;
  };
  virtual ~TwoSided() = default;
  virtual Use UseOf(int sequences, Tokens kv_total, int width) const = 0;
  // Of one part, times that of the whole device. The link's latency stays.
  virtual void SetSideSlowdown(Side side, double factor) = 0;
};

// A decode device that takes steps over its whole batch: every running sequence gets its token (or
// tokens) at the end of the step, sequences join and leave between steps.
class BatchDecoder {
 public:
  virtual ~BatchDecoder() = default;
  // `kv_total`: KV positions of all sequences together; `width` as in DecodePipeline.
  virtual Nanoseconds StepTime(int sequences, Tokens kv_total, int width) const = 0;
  virtual void SetSlowdown(double factor) = 0;
  virtual TwoSided* sides() { return nullptr; }  // null: it is of one piece
};

// A KV link that its transfers share.
class KvLink {
 public:
  using Transfer = uint64_t;  // names a transfer in flight; 0 names none
  virtual ~KvLink() = default;
  // `done` gets `payload` (Priority::kDevice) at the instant when the last byte has arrived.
  virtual Transfer Start(Bytes bytes, EventTarget* done, uint64_t payload) = 0;
  // Stops it. Harmless if it has ended; a payload that is already under way (in the link's last
  // latency) still comes, so payloads carry generation numbers.
  virtual void Cancel(Transfer transfer) = 0;
  // Bytes of a transfer that have not been sent yet; 0 once it has ended.
  virtual Bytes Left(Transfer transfer) const = 0;
  // The same of all transfers.
  virtual Bytes backlog() const = 0;
  // Bytes that have arrived since the start.
  virtual Bytes moved() const = 0;
  // How long at least one transfer was under way.
  virtual Nanoseconds busy() const = 0;
  virtual Nanoseconds TimeAlone(Bytes bytes) const = 0;
  // From now on the link has `speed` times its bandwidth; 0: nothing moves until that changes.
  virtual void SetSpeed(double speed) = 0;
};

}  // namespace waferline
