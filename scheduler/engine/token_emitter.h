// A token's way out: its value from the lane's source, then to the observers and the sink, which
// may be full. Knows which readers are full and whether emulated time is held for one.
//
// Owner: the engine. Thread: the engine's; sinks are called from within its calls. Cost: O(1) a
// token, nothing is allocated. Bound: values are asked for kWantAhead tokens ahead of their
// instants.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "scheduler/engine/engine_context.h"
#include "scheduler/engine/event_payload.h"

namespace waferline::engine {

class TokenEmitter final : private EventTarget {
 public:
  // Called from within Emit, EmitBurst and the emitter's events.
  class Listener {
   public:
    // The sequence is over: its last token is out, or its reader was full for too long.
    virtual void OnOver(SlotIndex slot, FinishReason reason, absl::Status status) = 0;
    // The source cannot give the next value; its reason.
    virtual void OnValueFailed(SlotIndex slot, absl::Status status) = 0;

   protected:
    ~Listener() = default;
  };

  enum class Emission : uint8_t {
    kGoOn,
    kOver,     // the listener was called
    kPending,  // the value is not there yet, nothing was emitted
  };

  TokenEmitter(EngineContext* context, Listener* listener)
      : context_(context),
        sequences_(&context->sequences),
        listener_(listener),
        parked_(context->lanes.size()) {}

  // A prompt starts: its values are asked for under HotSequence::id.
  void Start(SlotIndex slot);
  // The sequence's next token, at this instant. `hot` is the slot's: the caller has just used it.
  Emission Emit(SlotIndex slot, HotSequence* hot);
  // The same of `count` tokens of a kPlain sequence, neither its first nor its last among them:
  // nothing comes of them but the next beat.
  void EmitPlain(SlotIndex slot, HotSequence* hot, uint32_t count) {
    const TokenInfo first = NextOf(slot, *hot);
    context_->log.RecordTokens(hot->ordinal, first.index, count);
    Count(hot, count);
    context_->observers.Notify([&](EngineObserver& o) { o.OnTokens(first, count); });
  }
  // Counts `left` down as tokens leave; what a parked reader does not take is kept as burst_left.
  // False: a value, or a reader for whom time is held, is awaited first.
  bool EmitBurst(SlotIndex slot, uint32_t* left);

  // The reader takes tokens again; false if it was not parked. What goes on is the caller's to see.
  bool Resume(SlotIndex slot);
  // Full readers.
  bool holds_time() const { return held_ > 0; }
  uint32_t parked(LaneIndex lane) const { return parked_[lane]; }

  struct Reader {
    bool parked = false;
    bool held = false;
  };
  // The sequence ends or restarts: gives up its values and its reader; after a restart the reader
  // is as full as it was.
  Reader Forget(SlotIndex slot);
  void Restore(SlotIndex slot, Reader reader);

  uint64_t tokens() const { return tokens_; }  // since the start

 private:
  enum class Kind : uint8_t { kReaderGrace };
  using Payload = EventPayload<Kind>;
  static constexpr uint32_t kWantAhead = 64;  // busy compute plane, little waste if a reader stops

  TokenInfo NextOf(SlotIndex slot, const HotSequence& hot) const {
    const Nanoseconds now = context_->now();
    return {hot.lane, slot, hot.generated, now, now - Nanoseconds(hot.last_token_ns)};
  }
  void Count(HotSequence* hot, uint32_t tokens) {
    hot->last_token_ns = context_->now().count();
    hot->generated += tokens;
    tokens_ += tokens;
  }
  void Want(HotSequence* hot, uint32_t count);
  const TokenValue* FirstValue(SlotIndex slot, const TokenValue* value);
  bool IsEnd(SlotIndex slot, TokenId id) const;
  // Whether the sink stops the sequence here. `last`: it stops anyway.
  bool HandOver(SlotIndex slot, const TokenEvent& event, bool last);
  void Fill(SlotIndex slot);  // the reader is full
  void Park(SlotIndex slot);
  void OnEvent(uint64_t word) override;

  EngineContext* const context_;
  SequenceTable* const sequences_;
  Listener* const listener_;
  IndexedVector<LaneIndex, uint32_t> parked_;
  uint32_t held_ = 0;
  uint64_t tokens_ = 0;
};

}  // namespace waferline::engine
