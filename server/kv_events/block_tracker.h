// Turns what an engine reports of its devices' prefix caches into events of a model: a block is
// stored when the first device has it, and gone when none has it any more.
//
// Owner: server/app; outlives the engine. Thread: the engine's; AddReader before it starts. Bounds:
// a count for each cached block, as many as the engine's memory allows.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "scheduler/engine/observer.h"
#include "server/kv_events/events.h"

namespace waferline::kv_events {

class BlockTracker final : public engine::EngineObserver {
 public:
  explicit BlockTracker(size_t lanes) : lanes_(lanes) {}

  // `queue` gets the lane's events, and outlives this.
  void AddReader(engine::LaneIndex lane, EventQueue* queue) {
    lanes_[lane.value].readers.push_back(queue);
  }

  void OnBlocksStored(const engine::SequenceInfo& sequence, const PromptOutline& outline,
                      size_t first, size_t count) override;
  void OnBlockEvicted(engine::LaneIndex lane, uint64_t block) override;

 private:
  struct Lane {
    std::vector<EventQueue*> readers;
    std::unordered_map<uint64_t, uint32_t> devices;  // that have a block
  };
  static void Put(const Lane& lane, Event event);

  std::vector<Lane> lanes_;
};

}  // namespace waferline::kv_events
