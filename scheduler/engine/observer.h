// What the engine reports to those that count or record. Called on the engine's thread, at the
// instant of what is reported; must not block or call the engine. Everything pointed to is valid
// during the call. OnToken is called for every token and should be short.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "scheduler/engine/indices.h"
#include "scheduler/policy/refusal_cause.h"
#include "scheduler/request/front_door.h"
#include "scheduler/request/token_sink.h"
#include "scheduler/request/valid_request.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

enum class Phase : uint8_t { kQueue, kPrefill, kTransfer, kDecode };
inline constexpr int kPhases = 4;

enum class RestartCause : uint8_t {
  kPreempted,
  kWorkerLost,
  kUnitLost,
  kLeaseExpired,  // of a hand-off that stood still
};
inline constexpr int kRestartCauses = 4;

// `slot` is the sequence's place while it lives (< max_sequences, reused after the end), `ordinal`
// counts admissions and is never reused.
struct SequenceInfo {
  LaneIndex lane;
  SlotIndex slot;
  uint64_t ordinal = 0;
  Ticket ticket;
  const ValidRequest* request = nullptr;
  Nanoseconds arrival;
};

struct TokenInfo {
  LaneIndex lane;
  SlotIndex slot;
  uint32_t index = 0;
  Nanoseconds at;
  Nanoseconds gap;  // since the token before; for token 0 since arrival (TTFT)
};

struct OutcomeInfo {
  SequenceInfo sequence;
  const Outcome* outcome = nullptr;
  Nanoseconds first_token_at;  // an instant; meaningless without tokens
  Nanoseconds last_token_at;
  uint32_t restarts = 0;  // preemptions included
};

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void OnRefused(const SequenceInfo& sequence, policy::RefusalCause cause,
                         Nanoseconds retry_after) {}
  virtual void OnAdmitted(const SequenceInfo& sequence) {}
  // Entered `phase`; it was in `from` for `lasted`. Not called for the first one (kQueue).
  virtual void OnPhase(const SequenceInfo& sequence, Phase from, Nanoseconds lasted, Phase phase) {}
  virtual void OnToken(const TokenInfo& token) {}
  // In a replay, instead: `count` tokens of one sequence that left together, from `first` on. The
  // gap of all but that one is 0.
  virtual void OnTokens(const TokenInfo& first, uint32_t count) {
    TokenInfo token = first;
    for (uint32_t i = 0; i < count; ++i) {
      OnToken(token);
      ++token.index;
      token.gap = Nanoseconds();
    }
  }
  virtual void OnOutcome(const OutcomeInfo& info) {}
  virtual void OnRestart(const SequenceInfo& sequence, RestartCause cause) {}
  virtual void OnCacheLookup(LaneIndex lane, Tokens queried, Tokens hit) {}
  // A device's prefix cache keeps `count` more blocks of this sequence's prompt, from the
  // `first`-th of `outline.blocks` on. Another device may have them too.
  virtual void OnBlocksStored(const SequenceInfo& sequence, const PromptOutline& outline,
                              size_t first, size_t count) {}
  // A device of the lane evicted the block.
  virtual void OnBlockEvicted(LaneIndex lane, uint64_t block) {}
  // `worker`'s step of `tokens` fresh tokens began and takes `lasts`.
  virtual void OnPrefillStep(LaneIndex lane, DeviceIndex worker, Tokens tokens, Nanoseconds lasts) {
  }
  virtual void OnTransfer(LaneIndex lane, DeviceIndex unit, Bytes bytes) {}
  // A batch unit's step began.
  virtual void OnBatchStep(LaneIndex lane, DeviceIndex unit, int sequences, Nanoseconds lasts) {}
};

// An engine's observers, each of which gets every call, in the order given.
class ObserverList {
 public:
  explicit ObserverList(std::vector<EngineObserver*> observers)
      : observers_(std::move(observers)) {}
  // `call` takes an EngineObserver&.
  template <typename Call>
  void Notify(const Call& call) const {
    for (EngineObserver* observer : observers_) call(*observer);
  }

 private:
  std::vector<EngineObserver*> observers_;
};

}  // namespace waferline::engine
