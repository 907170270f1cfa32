// From prefill over the hand-off to decode. Room on a unit is held only as long as bytes move; when
// all have arrived the unit takes over and the worker's copy is released.
#include <utility>

#include "scheduler/engine/engine_impl.h"

namespace waferline::engine {

void EngineImpl::SetPhase(SlotIndex slot, Phase phase) {
  const SequenceTable::PhaseChange change = sequences().ChangePhase(slot, phase, now());
  context_.observers.Notify([&](EngineObserver& o) {
    o.OnPhase(sequences().InfoOf(slot), change.from, change.lasted, phase);
  });
}

void EngineImpl::OnLayersComputed(SlotIndex slot, uint32_t end, int layers) {
  if (!sequences()[slot].ends_at_prefill()) handoffs_.MoveAllButLastLayer(slot, end, layers);
}

void EngineImpl::OnChunkComputed(SlotIndex slot, int layers) {
  const uint32_t end = sequences()[slot].prefill_done;
  if (sequences()[slot].ends_at_prefill()) return;  // it has no unit
  switch (LaneOf(slot).overlap) {
    case Overlap::kNone:
      return;
    case Overlap::kChunk:
      return handoffs_.Move(slot, end);
    case Overlap::kLayer:
      return handoffs_.MoveLastLayer(slot, end, layers);
  }
}

// All tokens of the beat, step or prefill are out (or kept for a full reader), and it goes on.
void EngineImpl::AfterEmission(SlotIndex slot) {
  Stage& stage = sequences()[slot].stage;
  HotSequence& hot = sequences().hot(slot);
  if (std::holds_alternative<Resident>(stage)) return decode_.Continue(slot);
  auto* prefilling = std::get_if<Prefilling>(&stage);
  if (prefilling == nullptr) return;  // parked at prefill, resumed in transfer
  if (!(hot.flags & HotSequence::kPrefillsHere)) return AfterPrefill(slot);
  hot.flags &= ~HotSequence::kPrefillsHere;
  BecomeResident(slot, Resident(std::move(*prefilling)));
}

// The prompt is computed and its first token is out.
void EngineImpl::AfterPrefill(SlotIndex slot) {
  Sequence& s = sequences()[slot];
  const LaneIndex lane = sequences().hot(slot).lane;
  s.stage = Prefilled(std::move(std::get<Prefilling>(s.stage)));
  SetPhase(slot, Phase::kTransfer);
  if (std::get<Prefilled>(s.stage).room) {
    handoffs_.Move(slot, s.prefill_total);
    BecomeResidentIfComplete(slot);
  } else {
    awaiting_room_[lane][static_cast<size_t>(s.tier)].push_back(sequences().RefOf(slot));
    FindRoomForWaiting(lane);
  }
}

void EngineImpl::FindRoomForWaiting(LaneIndex lane) {
  for (std::deque<SequenceRef>& waiting : awaiting_room_[lane]) FindRoomFor(&waiting, lane);
}

void EngineImpl::FindRoomFor(std::deque<SequenceRef>* of_tier, LaneIndex lane) {
  std::deque<SequenceRef>& waiting = *of_tier;
  while (!waiting.empty()) {
    const SequenceRef ref = waiting.front();
    if (!sequences().IsCurrent(ref)) {
      waiting.pop_front();
      continue;
    }
    const std::optional<UnitIndex> unit = decode_.Pick(ref.slot);
    if (!unit) return;
    waiting.pop_front();
    Room room = TakeRoom(*unit, ref.slot);
    handoffs_.Begin(ref.slot, room.prefix_tokens);
    std::get<Prefilled>(sequences()[ref.slot].stage).room = std::move(room);
    handoffs_.Move(ref.slot, sequences()[ref.slot].prefill_total);
    context_.lanes[lane].values->Activate(sequences().hot(ref.slot).id);
    BecomeResidentIfComplete(ref.slot);
  }
}

void EngineImpl::BecomeResidentIfComplete(SlotIndex slot) {
  if (!handoffs_.IsComplete(slot)) return;
  auto* remote = std::get_if<Prefilling>(&sequences()[slot].stage);
  const bool comes_by_link = sequences()[slot].phase == Phase::kTransfer;
  if (remote != nullptr && comes_by_link) {
    handoffs_.Finish(slot);
    return BecomeResident(slot, Resident(std::move(*remote)));
  }
  auto* prefilled = std::get_if<Prefilled>(&sequences()[slot].stage);
  if (prefilled == nullptr || !prefilled->room) return;
  handoffs_.Finish(slot);
  context_.dirty.Mark(sequences().hot(slot).lane);  // the worker has memory again
  BecomeResident(slot, Resident(std::move(*prefilled)));
}

void EngineImpl::BecomeResident(SlotIndex slot, Resident resident) {
  const HotSequence& hot = sequences().hot(slot);
  sequences()[slot].stage = std::move(resident);
  context_.log.Record(DecisionLog::Kind::kResident, hot.ordinal, hot.unit.value);
  SetPhase(slot, Phase::kDecode);
  decode_.Enter(slot);
}

}  // namespace waferline::engine
