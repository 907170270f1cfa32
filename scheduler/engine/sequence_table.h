// The sequences in flight: their slots, names and generations, and how many of each lane are in
// each phase.
//
// Owner: EngineContext. Thread: the engine's. Bound: as many slots as were given, allocated at
// once. Cost: O(1) a call, except ForEach (all slots). A slot's data is written by the part of the
// engine that its member belongs to; slots, generations and phases change only here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "scheduler/engine/indices.h"
#include "scheduler/engine/sequence.h"

namespace waferline::engine {

class SequenceTable {
 public:
  SequenceTable(uint32_t slots, size_t lanes);

  HotSequence& hot(SlotIndex slot) { return hot_[slot]; }
  const HotSequence& hot(SlotIndex slot) const { return hot_[slot]; }
  Sequence& operator[](SlotIndex slot) { return cold_[slot]; }
  const Sequence& operator[](SlotIndex slot) const { return cold_[slot]; }

  SequenceRef RefOf(SlotIndex slot) const { return {slot, hot_[slot].generation}; }
  // False after a restart or the end of the sequence that `ref` named.
  bool IsCurrent(SequenceRef ref) const { return hot_[ref.slot].generation == ref.generation; }
  std::optional<SlotIndex> Find(Ticket ticket) const;
  SequenceInfo InfoOf(SlotIndex slot) const;

  bool full() const { return free_.empty(); }
  size_t size() const { return hot_.size(); }
  uint32_t occupied() const { return occupied_; }
  // `call` takes the slot of each sequence that was admitted and has not ended, in rising order; it
  // may end or restart that one.
  template <typename Call>
  void ForEach(const Call& call) const {
    hot_.ForEachIndex([&](SlotIndex slot) {
      if (!std::holds_alternative<std::monostate>(cold_[slot].stage)) call(slot);
    });
  }

  // Not if full().
  SlotIndex Occupy(LaneIndex lane, Ticket ticket, ValidRequest&& request);
  // Its stage has released everything.
  void Free(SlotIndex slot);
  // Every SequenceRef to it is stale from now on.
  void Outdate(SlotIndex slot) { ++hot_[slot].generation; }

  // A sequence's first phase and its end; between them ChangePhase.
  void EnterFirstPhase(SlotIndex slot, Nanoseconds now);
  void LeaveLastPhase(SlotIndex slot, Nanoseconds now);
  struct PhaseChange {
    Phase from;
    Nanoseconds lasted;
  };
  PhaseChange ChangePhase(SlotIndex slot, Phase phase, Nanoseconds now);
  uint32_t in_phase(LaneIndex lane, Phase phase) const {
    return in_phase_[lane][static_cast<size_t>(phase)];
  }

  // Releases every lease. Nothing else may be called afterwards.
  void ReleaseAll();
  // Counts of slots, tickets and phases agree with the sequences; a violation fails a check.
  void CheckLaws() const;

 private:
  IndexedVector<SlotIndex, HotSequence> hot_;
  IndexedVector<SlotIndex, Sequence> cold_;
  std::vector<SlotIndex> free_;
  uint32_t occupied_ = 0;
  std::unordered_map<Ticket, SlotIndex> by_ticket_;
  IndexedVector<LaneIndex, std::array<uint32_t, kPhases>> in_phase_;
};

}  // namespace waferline::engine
