// How a request ends or begins anew. Whatever its stage, all it holds is given back here.
#include <algorithm>
#include <utility>

#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {
// Weight of the newest sequence in the mean time that rooms are held: about the last 30 count.
constexpr double kHoldWeight = 1.0 / 32;
}  // namespace

void EngineState::SetPhase(uint32_t slot, Phase phase) {
  Sequence& s = sequences_[slot];
  Lane& lane = lanes_[hot_[slot].lane];
  const Nanoseconds lasted = now() - s.phase_since;
  s.spent[static_cast<size_t>(s.phase)] += lasted;
  --lane.in_phase[static_cast<size_t>(s.phase)];
  ++lane.in_phase[static_cast<size_t>(phase)];
  const Phase from = std::exchange(s.phase, phase);
  s.phase_since = now();
  observers_.Notify([&](EngineObserver& o) { o.OnPhase(NoteOf(slot), from, lasted, phase); });
}

void EngineState::LetGo(uint32_t slot) {
  HotSequence& hot = hot_[slot];
  Sequence& s = sequences_[slot];
  Lane& lane = lanes_[hot.lane];
  StopFlows(slot);
  if (std::holds_alternative<Admitted>(s.stage)) {
    --lane.waiting[static_cast<size_t>(s.queue_class)];
    lane.waiting_tokens -= s.prefill_total;
  } else {
    lane.spec.values->End(hot.id);
  }
  if (auto* prefilling = std::get_if<Prefilling>(&s.stage);
      prefilling != nullptr && prefilling->worker != Prefilling::kOnUnit) {
    // What is in a running step is still computed; only what was to come is not.
    Worker& worker = workers_[prefilling->worker];
    uint32_t in_step = 0;
    for (const Worker::Part& part : worker.step) {
      if (part.slot == slot && part.generation == hot.generation) in_step = part.fresh;
    }
    worker.pending_tokens -= s.prefill_total - s.prefill_done - in_step;
  }
  if (hot.flags & HotSequence::kParked) --lane.parked;
  if (hot.flags & HotSequence::kHeldReader) --held_readers_;
  hot.flags &= HotSequence::kHasEndIds | HotSequence::kKeepsIds;
  if (const Room* room = RoomOf(s.stage)) {
    units_[room->unit].kv.Change(now(), Pages() - room->pages.amount());
  }
  const bool waited = std::holds_alternative<Admitted>(s.stage);
  if (auto* resident = std::get_if<Resident>(&s.stage)) {
    Unit& unit = units_[resident->room.unit];
    resident->room.pages.Release();
    if (unit.cache && unit.alive) unit.cache->Insert(s.outline->blocks);
    const double held = (s.spent[1] + s.spent[2] + (now() - s.phase_since)).as_double();
    lane.mean_hold_ns += kHoldWeight * (held - lane.mean_hold_ns);
  }
  s.stage = std::monostate();
  s.burst_left = 0;
  ++hot.generation;
  hot.wanted = 0;
  if (waited) lane.queue->NoteGone();
  lane.dirty = any_dirty_ = true;
}

void EngineState::End(uint32_t slot, FinishReason reason, absl::Status status) {
  HotSequence& hot = hot_[slot];
  Sequence& s = sequences_[slot];
  Lane& lane = lanes_[hot.lane];
  const bool charged = !std::holds_alternative<Admitted>(s.stage);
  LetGo(slot);
  s.spent[static_cast<size_t>(s.phase)] += now() - s.phase_since;
  --lane.in_phase[static_cast<size_t>(s.phase)];
  if (charged) {
    lane.queue->Refund(s.request.tenant,
                       (s.request.max_tokens - hot.generated) * policy::kOutputTokenCharge);
  }
  ++finished_;
  Mix(Decision::kOutcome, hot.ordinal, static_cast<uint64_t>(reason));
  const Outcome outcome{.reason = reason,
                        .status = std::move(status),
                        .prompt_tokens = s.outline->tokens,
                        .cached_tokens = s.cached_tokens,
                        .generated_tokens = hot.generated,
                        .times = {s.spent[0], s.spent[1], s.spent[2], s.spent[3]}};
  observers_.Notify([&](EngineObserver& o) {
    o.OnOutcome({NoteOf(slot), &outcome, s.first_token_at, Nanoseconds(hot.last_token_ns),
                 s.restarts + s.preemptions});
  });
  if (hot.sink != nullptr) hot.sink->OnOutcome(outcome);
  FreeSlot(slot);
}

void EngineState::Restart(uint32_t slot, RestartCause cause) {
  HotSequence& hot = hot_[slot];
  Sequence& s = sequences_[slot];
  Lane& lane = lanes_[hot.lane];
  if (cause == RestartCause::kPreempted) {
    ++s.preemptions;
  } else if (++s.restarts > lane.spec.limits.max_restarts) {
    return End(slot, FinishReason::kFailed,
               absl::UnavailableError("lost its device too many times"));
  }
  // What it got for its charge so far is lost, and not by its fault.
  lane.queue->Refund(s.request.tenant,
                     s.prefill_total * policy::kPromptTokenCharge +
                         (s.request.max_tokens - hot.generated) * policy::kOutputTokenCharge);
  const bool parked = hot.flags & HotSequence::kParked;
  const bool held = hot.flags & HotSequence::kHeldReader;
  LetGo(slot);
  // Its reader is as full as it was.
  if (parked) {
    hot.flags |= HotSequence::kParked;
    ++lane.parked;
    s.parked_at = now();
    timeline_->Schedule(now() + lane.spec.limits.reader_grace, Priority::kPolicy, this,
                        Payload(Kind::kReaderGrace, slot, hot.generation));
  }
  if (held) {
    hot.flags |= HotSequence::kHeldReader;
    ++held_readers_;
  }
  s.stage = Admitted();
  SetPhase(slot, Phase::kQueue);
  Mix(Decision::kRestart, hot.ordinal, static_cast<uint64_t>(cause));
  observers_.Notify([&](EngineObserver& o) { o.OnRestart(NoteOf(slot), cause); });
  Enqueue(slot);
}

void EngineState::FreeSlot(uint32_t slot) {
  Sequence& s = sequences_[slot];
  HotSequence& hot = hot_[slot];
  slot_of_ticket_.erase(s.ticket);
  s.stage = std::monostate();
  s.request = ValidRequest();
  s.outline.reset();
  s.generated.clear();
  s.spent = {};
  s.restarts = s.preemptions = s.cached_tokens = 0;
  s.burst_left = 0;
  s.first_token_at = Nanoseconds();
  ++s.life;
  hot.sink = nullptr;
  hot.generated = 0;
  hot.wanted = 0;
  ++hot.generation;
  --occupied_;
  free_slots_.push_back(slot);
}

}  // namespace waferline::engine
