// Where the plane's steps are computed: shards and a prefill pool in this process, or elsewhere
// over TCP. Interface; the plane's driver thread owns it and makes every call but Wake.
//
// A job is one sequence's way through prefill and hand-off; its number is never reused. A slot is
// its place on the shards. Nothing here blocks but Step and Wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/plane/plane_counters.h"
#include "wafer_backend/compute/prefill/prefill_worker.h"

namespace waferline::plane {

// For clients of what a lost worker cost.
inline constexpr Nanoseconds kRetryAfterLoss = Seconds(2);

struct BackendFacts {
  int64_t vocabulary = 0;
  int64_t context = 0;
  uint32_t slots = 0;
  int64_t max_rows = 0;             // of one step
  std::vector<ShardMemory> memory;  // one a shard
};

struct BackendEvents {
  struct HandedOff {
    uint64_t job = 0;
    absl::Status status;  // not OK: the slot was not opened, or is closed again
  };
  // What a job had is gone with a worker; nothing more comes of it. Its owner forgets the job or
  // closes its slot, as at any other end, and may compute it again under a new number.
  struct Lost {
    uint64_t job = 0;
    LossCause cause = LossCause::kShard;
    std::string why;
  };
  std::vector<prefill::Prefilled> prefilled;
  std::vector<HandedOff> handed_off;
  std::vector<Lost> lost;

  bool empty() const { return prefilled.empty() && handed_off.empty() && lost.empty(); }
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendFacts& facts() const = 0;

  virtual void Prefill(prefill::PrefillJob job) = 0;
  // Opens `slot` for `positions` positions on every shard and moves the job's pages there, as soon
  // as it is prefilled; the prefill pool then forgets it. Ends as an event.
  virtual void HandOff(uint64_t job, uint32_t slot, uint32_t positions) = 0;
  // Ends a job at whatever stage before its hand-off is complete; no event follows. A slot that it
  // was being handed to is closed by Close.
  virtual void Forget(uint64_t job) = 0;
  virtual void Close(uint32_t slot) = 0;

  // Logits of every row. Unavailable if a shard is gone: what that cost is among the events of the
  // next Turn.
  virtual absl::Status Step(const link::TokenFrame& tokens, link::LogitsFrame* logits) = 0;

  // One turn of everything but decode steps, kept short if `decoding`. True if anything moved.
  virtual bool Turn(bool decoding, BackendEvents* events) = 0;
  // Returns after Wake, or when something arrived; also spuriously.
  virtual void Wait() = 0;
  virtual void Wake() = 0;  // any thread

  // Fills in what the backend knows: activation_bytes, prefill_tokens, kv_reserved, prefill_kv.
  virtual void Count(PlaneCounters* counters) const = 0;
};

}  // namespace waferline::plane
