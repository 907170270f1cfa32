#include "scheduler/engine/sequence_table.h"

#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::engine {

SequenceTable::SequenceTable(uint32_t slots, size_t lanes)
    : hot_(slots), cold_(slots), in_phase_(lanes) {
  for (uint32_t slot = slots; slot-- > 0;) free_.push_back(SlotIndex{slot});
}

std::optional<SlotIndex> SequenceTable::Find(Ticket ticket) const {
  const auto it = by_ticket_.find(ticket);
  return it == by_ticket_.end() ? std::nullopt : std::optional(it->second);
}

SequenceInfo SequenceTable::InfoOf(SlotIndex slot) const {
  const HotSequence& hot = hot_[slot];
  const Sequence& s = cold_[slot];
  return {hot.lane, slot, hot.ordinal, s.ticket, &s.request, s.arrival};
}

SlotIndex SequenceTable::Occupy(LaneIndex lane, Ticket ticket, ValidRequest&& request) {
  const SlotIndex slot = free_.back();
  free_.pop_back();
  ++occupied_;
  by_ticket_.emplace(ticket, slot);
  cold_[slot].ticket = ticket;
  cold_[slot].request = std::move(request);
  hot_[slot].lane = lane;
  return slot;
}

void SequenceTable::Free(SlotIndex slot) {
  Sequence& s = cold_[slot];
  HotSequence& hot = hot_[slot];
  by_ticket_.erase(s.ticket);
  s.stage = std::monostate();
  s.request = ValidRequest();
  s.outline.reset();
  s.generated.clear();
  s.spent = {};
  s.restarts = s.preemptions = s.cached_tokens = 0;
  s.burst_left = 0;
  s.compute = {};
  s.first_token_at = Nanoseconds();
  ++s.life;
  hot.sink = nullptr;
  hot.generated = 0;
  hot.wanted = 0;
  Outdate(slot);
  --occupied_;
  free_.push_back(slot);
}

void SequenceTable::EnterFirstPhase(SlotIndex slot, Nanoseconds now) {
  cold_[slot].phase = Phase::kQueue;
  cold_[slot].phase_since = now;
  ++in_phase_[hot_[slot].lane][static_cast<size_t>(Phase::kQueue)];
}

void SequenceTable::LeaveLastPhase(SlotIndex slot, Nanoseconds now) {
  Sequence& s = cold_[slot];
  s.spent_in(s.phase) += now - s.phase_since;
  --in_phase_[hot_[slot].lane][static_cast<size_t>(s.phase)];
}

SequenceTable::PhaseChange SequenceTable::ChangePhase(SlotIndex slot, Phase phase,
                                                      Nanoseconds now) {
  Sequence& s = cold_[slot];
  const PhaseChange change{s.phase, now - s.phase_since};
  LeaveLastPhase(slot, now);
  s.phase = phase;
  s.phase_since = now;
  ++in_phase_[hot_[slot].lane][static_cast<size_t>(phase)];
  return change;
}

void SequenceTable::ReleaseAll() {
  for (Sequence& s : cold_) s.stage = std::monostate();
}

void SequenceTable::CheckLaws() const {
  uint32_t occupied = 0;
  IndexedVector<LaneIndex, std::array<uint32_t, kPhases>> phases(in_phase_.size());
  ForEach([&](SlotIndex slot) {
    ++occupied;
    ++phases[hot_[slot].lane][static_cast<size_t>(cold_[slot].phase)];
  });
  WL_CHECK(occupied == occupied_);
  WL_CHECK(by_ticket_.size() == occupied_);
  WL_CHECK(free_.size() + occupied_ == hot_.size());
  in_phase_.ForEachIndex([&](LaneIndex lane) { WL_CHECK(in_phase_[lane] == phases[lane]); });
}

}  // namespace waferline::engine
