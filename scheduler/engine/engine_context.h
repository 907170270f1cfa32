// What the engine's parts share: time, the lanes' specifications, the sequences, and what is left
// to do at the present instant. Every member has rules of its own.
//
// Owner: the engine; it outlives the parts. Thread: the engine's.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/engine/block_cache.h"
#include "scheduler/engine/decision_log.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/indices.h"
#include "scheduler/engine/sequence_table.h"

namespace waferline::engine {

// Tokens of one beat, step or prefill that are to be emitted at this instant.
struct DueTokens {
  SequenceRef sequence;
  uint32_t left = 0;
};
// Tokens, or a batch unit whose next step starts when the tokens before it are out.
using Due = std::variant<DueTokens, UnitIndex>;

// The lanes where something was freed or has arrived: their queues are looked at again before time
// goes on.
class DirtyLanes {
 public:
  explicit DirtyLanes(size_t lanes) : dirty_(lanes) {}
  void Mark(LaneIndex lane) { dirty_[lane] = any_ = true; }
  bool any() const { return any_; }
  // `call` takes each dirty lane once, in rising order. Lanes marked meanwhile that were passed
  // already stay dirty.
  template <typename Call>
  void TakeEach(const Call& call) {
    if (!std::exchange(any_, false)) return;
    dirty_.ForEachIndex([&](LaneIndex lane) {
      if (std::exchange(dirty_[lane], uint8_t{0}) != 0) call(lane);
    });
  }

 private:
  IndexedVector<LaneIndex, uint8_t> dirty_;
  bool any_ = false;
};

struct EngineContext {
  EngineContext(const EngineOptions& all_options, Timeline* engine_timeline,
                std::vector<LaneSpec> specs, std::vector<EngineObserver*> all_observers)
      : options(all_options),
        timeline(engine_timeline),
        observers(std::move(all_observers)),
        sequences(options.max_sequences, specs.size()),
        log(timeline),
        dirty(specs.size()) {
    for (LaneSpec& spec : specs) lanes.Add(std::move(spec));
  }
  Nanoseconds now() const { return timeline->now(); }
  // What a lane's prefix caches report.
  BlockCache::OnEvicted EvictionsOf(LaneIndex lane) const {
    return [this, lane](uint64_t block) {
      observers.Notify([&](EngineObserver& o) { o.OnBlockEvicted(lane, block); });
    };
  }
  void Store(SlotIndex slot, BlockCache* cache) const {
    const PromptOutline& outline = *sequences[slot].outline;
    const BlockCache::Added added = cache->Insert(outline.blocks);
    if (added.count == 0) return;
    observers.Notify([&](EngineObserver& o) {
      o.OnBlocksStored(sequences.InfoOf(slot), outline, added.first, added.count);
    });
  }

  const EngineOptions options;
  Timeline* const timeline;
  const ObserverList observers;
  IndexedVector<LaneIndex, LaneSpec> lanes;  // constant
  SequenceTable sequences;
  DecisionLog log;
  std::deque<Due> due;  // in order
  DirtyLanes dirty;
  Nanoseconds limit;    // of the RunUntil under way
  uint64_t events = 0;  // of the timeline, beats included
};

}  // namespace waferline::engine
