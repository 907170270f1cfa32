// Out of the queue: room on a decode unit (if it is reserved now), then a worker, both by policy.
#include <algorithm>
#include <memory>

#include "scheduler/engine/engine_state.h"
#include "scheduler/policy/preemption.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {

void EngineState::Dispatch(uint32_t lane) {
  while (const WaitQueue::Entry* front = lanes_[lane].queue->Front()) {
    if (!PlaceFront(lane, front->slot)) break;  // strict order: nobody overtakes the first
  }
  for (const uint32_t w : lanes_[lane].workers) StartStep(w);  // with all that came together
}

// A prefix is used only as far as at least one token is left to compute: its logits are needed.
size_t EngineState::UsableBlocks(const BlockCache& cache, const Sequence& s) const {
  size_t blocks = cache.Match(s.outline->blocks);
  while (blocks > 0 && blocks * s.outline->block_tokens >= s.prefill_total) --blocks;
  return blocks;
}

Pages EngineState::NeededPages(const Unit& unit, const Sequence& s, size_t cached_blocks) const {
  const Tokens all(s.outline->tokens + std::max<uint32_t>(1, s.request.max_tokens));
  const Tokens cached(static_cast<int64_t>(cached_blocks) * s.outline->block_tokens);
  return unit.ledger->PagesFor(all - cached);
}

int EngineState::PickUnit(const Lane& lane, const Sequence& s) {
  unit_views_.clear();
  for (const uint32_t u : lane.units) {
    const Unit& unit = units_[u];
    const size_t cached = unit.cache ? UsableBlocks(*unit.cache, s) : 0;
    Pages evictable;
    if (unit.cache) {
      // What it uses itself will be pinned and cannot make room; counting all of it as pinned is
      // at worst too careful by blocks that are pinned already.
      const Pages own(static_cast<int64_t>(cached) *
                      (unit.cache->pages().count() / std::max<int64_t>(1, unit.cache->size())));
      evictable = std::max(Pages(), unit.cache->evictable() - own);
    }
    unit_views_.push_back(
        {.kind = unit.spec.pipeline != nullptr ? policy::UnitKind::kWafer : policy::UnitKind::kGpu,
         .alive = unit.usable(),
         .running = static_cast<int>(unit.seats->used().count()),
         .max_running = unit.spec.max_running,
         .depth = unit.depth,
         .free_pages = (unit.ledger->pages().free() + evictable).count(),
         .capacity_pages = unit.ledger->pages().capacity().count(),
         .needed_pages = NeededPages(unit, s, cached).count(),
         .cached_tokens = static_cast<int64_t>(cached) * s.outline->block_tokens});
  }
  const int chosen = policy::ChooseUnit(lane.spec.unit, s.queue_class, unit_views_);
  return chosen < 0 ? -1 : static_cast<int>(lane.units[chosen]);
}

int EngineState::PickWorker(const Lane& lane, uint32_t slot) {
  const Sequence& s = sequences_[slot];
  worker_views_.clear();
  for (const uint32_t w : lane.workers) {
    const Worker& worker = workers_[w];
    const bool has_room = worker.pending_tokens < worker.spec.backlog_tokens.count() &&
                          worker.memory->free() >= Tokens(s.prefill_total);
    int64_t cached = 0;
    if (worker.cache && worker.alive && has_room) {
      cached = static_cast<int64_t>(UsableBlocks(*worker.cache, s)) * s.outline->block_tokens;
    }
    worker_views_.push_back({.alive = worker.alive,
                             .has_room = has_room,
                             .pending_tokens = worker.pending_tokens,
                             .cached_tokens = cached,
                             .slowdown = worker.slowdown});
  }
  const int chosen = policy::ChooseWorker(lane.spec.worker_rule, worker_views_, s.prefill_total,
                                          hot_[slot].ordinal);
  return chosen < 0 ? -1 : static_cast<int>(lane.workers[chosen]);
}

Room EngineState::TakeRoom(uint32_t u, uint32_t slot) {
  Sequence& s = sequences_[slot];
  Unit& unit = units_[u];
  Room room;
  room.unit = u;
  size_t cached = 0;
  if (unit.cache) {
    cached = UsableBlocks(*unit.cache, s);
    room.prefix = unit.cache->Hold(s.outline->blocks, cached);
    room.prefix_tokens = static_cast<uint32_t>(cached) * s.outline->block_tokens;
  }
  const Pages needed = NeededPages(unit, s, cached);
  if (unit.cache) unit.cache->MakeRoom(needed);
  room.seat = *unit.seats->Take(Seats(1));
  room.pages = *unit.ledger->pages().Take(needed);
  unit.kv.Change(now(), needed);
  hot_[slot].unit = u;
  return room;
}

bool EngineState::PlaceFront(uint32_t lane_index, uint32_t slot) {
  Lane& lane = lanes_[lane_index];
  Sequence& s = sequences_[slot];
  int unit = -1;
  if (lane.spec.reserve == Reserve::kAtPrefill) {
    unit = PickUnit(lane, s);
    if (unit < 0) return lane.spec.preempt && Preempt(lane_index, slot);
    const int64_t fresh =
        static_cast<int64_t>(s.prefill_total) -
        (units_[unit].cache
             ? static_cast<int64_t>(UsableBlocks(*units_[unit].cache, s)) * s.outline->block_tokens
             : 0);
    const auto kind =
        units_[unit].spec.pipeline != nullptr ? policy::UnitKind::kWafer : policy::UnitKind::kGpu;
    if (policy::PrefillOnUnit(lane.spec.local_prefill, kind, fresh)) {
      LeaveQueue(slot);
      StartOnUnit(slot, TakeRoom(unit, slot));
      return true;
    }
  }
  const int worker = PickWorker(lane, slot);
  if (worker < 0) return false;
  LeaveQueue(slot);
  StartOnWorker(slot, worker, unit < 0 ? nullptr : std::make_unique<Room>(TakeRoom(unit, slot)));
  return true;
}

bool EngineState::Preempt(uint32_t lane_index, uint32_t slot) {
  Lane& lane = lanes_[lane_index];
  std::vector<policy::VictimView> views;
  std::vector<uint32_t> slots;
  for (uint32_t other = 0; other < hot_.size(); ++other) {
    const auto* resident = std::get_if<Resident>(&sequences_[other].stage);
    if (resident == nullptr || hot_[other].lane != lane_index) continue;
    const Unit& unit = units_[resident->room.unit];
    const Pages gives = resident->room.pages.amount() + unit.ledger->pages().free();
    views.push_back(
        {.priority = sequences_[other].request.priority,
         .ordinal = hot_[other].ordinal,
         .gives_enough = unit.usable() && gives >= NeededPages(unit, sequences_[slot], 0),
         .may_be_preempted = sequences_[other].preemptions < lane.spec.limits.max_preemptions});
    slots.push_back(other);
  }
  const int victim = policy::ChooseVictim(views, sequences_[slot].request.priority);
  if (victim < 0) return false;
  Restart(slots[victim], RestartCause::kPreempted);
  return true;
}

void EngineState::LeaveQueue(uint32_t slot) {
  Sequence& s = sequences_[slot];
  Lane& lane = lanes_[hot_[slot].lane];
  lane.queue->PopFront(s.prefill_total * policy::kPromptTokenCharge +
                       (s.request.max_tokens - hot_[slot].generated) * policy::kOutputTokenCharge);
  --lane.waiting[static_cast<size_t>(s.queue_class)];
  lane.waiting_tokens -= s.prefill_total;
  hot_[slot].id = SequenceId{++last_sequence_id_};
}

void EngineState::AskForValues(uint32_t slot) {
  const Sequence& s = sequences_[slot];
  HotSequence& hot = hot_[slot];
  ValueSource* values = lanes_[hot.lane].spec.values;
  values->Prefill(hot.id, SequenceSpec{.prompt = s.request.prompt,
                                       .generated = s.generated,
                                       .sampling = s.request.sampling,
                                       .max_tokens = std::max<uint32_t>(1, s.request.max_tokens)});
  // With its room taken, values may be computed ahead of their instants; without it, only the first
  // token's (see FindRoomForWaiting).
  if (lanes_[hot.lane].spec.reserve == Reserve::kAtPrefill) values->Activate(hot.id);
  hot.wanted = std::min(hot.max_tokens, hot.generated + kWantAhead);
  if (hot.wanted > 0) values->Want(hot.id, hot.wanted);
}

void EngineState::StartOnWorker(uint32_t slot, uint32_t w, std::unique_ptr<Room> room) {
  Sequence& s = sequences_[slot];
  Worker& worker = workers_[w];
  Lane& lane = lanes_[worker.lane];
  Prefilling prefilling(std::move(std::get<Admitted>(s.stage)));
  prefilling.worker = w;
  prefilling.memory = *worker.memory->Take(Tokens(s.prefill_total));
  if (room) {
    prefilling.room = std::move(*room);
    prefilling.has_room = true;
    s.moved_to = prefilling.room.prefix_tokens;
  }
  if (worker.cache) {
    const size_t blocks = UsableBlocks(*worker.cache, s);
    prefilling.cached = worker.cache->Hold(s.outline->blocks, blocks);
    s.prefill_done = static_cast<uint32_t>(blocks) * s.outline->block_tokens;
    lane.cache_queried += s.outline->tokens;
    lane.cache_hit += s.prefill_done;
    if (s.restarts + s.preemptions == 0) s.cached_tokens = s.prefill_done;
    observers_.Notify([&](EngineObserver& o) {
      o.OnCacheLookup(worker.lane, Tokens(s.outline->tokens), Tokens(s.prefill_done));
    });
  }
  s.stage = std::move(prefilling);
  worker.pending_tokens += s.prefill_total - s.prefill_done;
  worker.active.push_back({slot, hot_[slot].generation});
  Mix(Decision::kStart, hot_[slot].ordinal, w);
  AskForValues(slot);
}

void EngineState::StartOnUnit(uint32_t slot, Room room) {
  Sequence& s = sequences_[slot];
  HotSequence& hot = hot_[slot];
  Prefilling prefilling(std::move(std::get<Admitted>(s.stage)));
  prefilling.has_room = true;
  s.prefill_done = s.prefill_total;
  const uint32_t fresh = s.prefill_total - room.prefix_tokens;
  if (units_[room.unit].cache) {
    lanes_[hot.lane].cache_queried += s.outline->tokens;
    lanes_[hot.lane].cache_hit += room.prefix_tokens;
    if (s.restarts + s.preemptions == 0) s.cached_tokens = room.prefix_tokens;
    observers_.Notify([&](EngineObserver& o) {
      o.OnCacheLookup(hot.lane, Tokens(s.outline->tokens), Tokens(room.prefix_tokens));
    });
  }
  prefilling.room = std::move(room);
  Unit& unit = units_[prefilling.room.unit];
  s.stage = std::move(prefilling);
  Mix(Decision::kStart, hot.ordinal, hot.unit | 1u << 20);
  AskForValues(slot);
  SetPhase(slot, Phase::kPrefill);
  hot.flags |= HotSequence::kPrefillsHere;
  const DecodePipeline::Beat beat =
      unit.spec.pipeline->Enter(now(), Tokens(s.prefill_total), static_cast<int>(fresh));
  beats_.Insert({beat.leaves.count(), slot, hot.generation});
  Arm();
}

}  // namespace waferline::engine
