// Out of the queue: room on a decode unit (if it is reserved now), then a worker, both by policy.
#include <utility>

#include "scheduler/engine/engine_impl.h"
#include "scheduler/policy/preemption.h"

namespace waferline::engine {

// Strict order: who waits for room is not overtaken by those that wait for the same tier, who waits
// for a worker by none.
void EngineImpl::Dispatch(LaneIndex lane) {
  std::array<bool, kUnitTiers> open;
  open.fill(true);
  while (const std::optional<SlotIndex> front = queues_[lane].Front(open)) {
    const Placing placing = PlaceFront(*front);
    if (placing == Placing::kNoWorker) break;
    if (placing == Placing::kNoRoom) open[static_cast<size_t>(sequences()[*front].tier)] = false;
  }
  prefill_.StartSteps(lane);  // with all that came together
}

EngineImpl::Placing EngineImpl::PlaceFront(SlotIndex slot) {
  const LaneSpec& lane = LaneOf(slot);
  const Sequence& s = sequences()[slot];
  std::optional<UnitIndex> unit;
  if (s.takes_remote_kv() || (lane.reserve == Reserve::kAtPrefill && !s.ends_at_prefill())) {
    unit = decode_.Pick(slot);
    if (!unit) return lane.preempt && Preempt(slot) ? Placing::kPlaced : Placing::kNoRoom;
    if (s.takes_remote_kv()) {
      LeaveQueue(slot);
      StartWithRemoteKv(slot, TakeRoom(*unit, slot));
      return Placing::kPlaced;
    }
    if (policy::PrefillOnUnit(lane.local_prefill, decode_.kind(*unit),
                              decode_.FreshTokens(*unit, slot))) {
      LeaveQueue(slot);
      StartOnUnit(slot, TakeRoom(*unit, slot));
      return Placing::kPlaced;
    }
  }
  const std::optional<WorkerIndex> worker = prefill_.Pick(slot);
  if (!worker) return Placing::kNoWorker;
  LeaveQueue(slot);
  StartOnWorker(slot, *worker, unit ? std::optional<Room>(TakeRoom(*unit, slot)) : std::nullopt);
  return Placing::kPlaced;
}

bool EngineImpl::Preempt(SlotIndex slot) {
  const LaneIndex lane = sequences().hot(slot).lane;
  const uint32_t max_preemptions = context_.lanes[lane].limits.max_preemptions;
  std::vector<policy::VictimView> views;
  std::vector<SlotIndex> slots;
  sequences().ForEach([&](SlotIndex other) {
    const Sequence& s = sequences()[other];
    const auto* resident = std::get_if<Resident>(&s.stage);
    if (resident == nullptr || sequences().hot(other).lane != lane) return;
    views.push_back({.priority = s.request.priority,
                     .ordinal = sequences().hot(other).ordinal,
                     .gives_enough = decode_.GivesEnough(*resident, slot),
                     .may_be_preempted = s.preemptions < max_preemptions});
    slots.push_back(other);
  });
  const std::optional<size_t> victim =
      policy::ChooseVictim(views, sequences()[slot].request.priority);
  if (!victim) return false;
  Restart(slots[*victim], RestartCause::kPreempted);
  return true;
}

void EngineImpl::LeaveQueue(SlotIndex slot) {
  HotSequence& hot = sequences().hot(slot);
  queues_[hot.lane].PopFront(slot);
  hot.id = SequenceId{++last_sequence_id_};
}

void EngineImpl::RecordLookup(SlotIndex slot, uint32_t cached_tokens) {
  Sequence& s = sequences()[slot];
  const LaneIndex lane = sequences().hot(slot).lane;
  cache_use_[lane].queried += s.outline->tokens;
  cache_use_[lane].hit += cached_tokens;
  if (s.restarts + s.preemptions == 0) s.cached_tokens = cached_tokens;
  context_.observers.Notify([&](EngineObserver& o) {
    o.OnCacheLookup(lane, Tokens(s.outline->tokens), Tokens(cached_tokens));
  });
}

void EngineImpl::StartOnWorker(SlotIndex slot, WorkerIndex worker, std::optional<Room> room) {
  if (room) handoffs_.Begin(slot, room->prefix_tokens);
  const std::optional<Tokens> cached = prefill_.Take(slot, worker, std::move(room));
  if (cached) RecordLookup(slot, static_cast<uint32_t>(cached->count()));
  context_.log.RecordStart(sequences().hot(slot).ordinal, worker);
  emitter_.Start(slot);
}

void EngineImpl::StartOnUnit(SlotIndex slot, Room room) {
  Sequence& s = sequences()[slot];
  const UnitIndex unit = room.unit;
  if (decode_.spec(unit).prefix_cache) RecordLookup(slot, room.prefix_tokens);
  Prefilling prefilling(std::move(std::get<Admitted>(s.stage)));
  prefilling.room = std::move(room);
  s.stage = std::move(prefilling);
  s.prefill_done = s.prefill_total;
  context_.log.RecordStart(sequences().hot(slot).ordinal, unit);
  emitter_.Start(slot);
  SetPhase(slot, Phase::kPrefill);
  decode_.EnterPrompt(slot);
}

// KV of all positions but the prompt's last comes over the unit's link; that one passes the unit as
// a generated token would, and the first token comes out of it.
void EngineImpl::StartWithRemoteKv(SlotIndex slot, Room room) {
  Sequence& s = sequences()[slot];
  const UnitIndex unit = room.unit;
  const uint32_t present = room.prefix_tokens;
  Prefilling prefilling(std::move(std::get<Admitted>(s.stage)));
  prefilling.room = std::move(room);
  s.stage = std::move(prefilling);
  s.prefill_done = s.prefill_total;
  s.cached_tokens = s.prefill_total - 1;
  context_.log.RecordStart(sequences().hot(slot).ordinal, unit);
  emitter_.Start(slot);
  if (LaneOf(slot).reserve == Reserve::kAtHandoff) {
    LaneOf(slot).values->Activate(sequences().hot(slot).id);
  }
  SetPhase(slot, Phase::kTransfer);
  handoffs_.Begin(slot, present);
  handoffs_.Move(slot, s.prefill_total - 1);
  BecomeResidentIfComplete(slot);
}

}  // namespace waferline::engine
