// Calls from outside, and the loop over events.
#include "scheduler/engine/engine_impl.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/number_text.h"

namespace waferline::engine {

EngineImpl::EngineImpl(const EngineOptions& options, Timeline* timeline,
                       std::vector<LaneSpec> specs, std::vector<EngineObserver*> observers)
    : context_(options, timeline, std::move(specs), std::move(observers)),
      prefill_(&context_, this),
      handoffs_(&context_, this),
      emitter_(&context_, this),
      decode_(&context_, &emitter_, &handoffs_),
      awaiting_room_(context_.lanes.size()),
      cache_use_(context_.lanes.size()) {
  for (const LaneSpec& lane : context_.lanes) {
    lane_by_model_.emplace(lane.model, queues_.Add(lane, &context_.sequences));
    tiers_.Add(lane);
  }
}

// No callbacks from here on. Every lease is released before its pool is destroyed.
EngineImpl::~EngineImpl() { sequences().ReleaseAll(); }

void EngineImpl::Submit(Ticket ticket, ValidRequest request) {
  const auto it = lane_by_model_.find(request.model);
  if (it == lane_by_model_.end()) {
    return RefuseWithoutSlot(ticket, request, LaneIndex{}, policy::RefusalCause::kUnknownModel);
  }
  if (sequences().full()) {
    return RefuseWithoutSlot(ticket, request, it->second, policy::RefusalCause::kQueueFull);
  }
  Arrive(sequences().Occupy(it->second, ticket, std::move(request)));
}

void EngineImpl::Cancel(Ticket ticket) {
  if (const std::optional<SlotIndex> slot = sequences().Find(ticket)) {
    OnOver(*slot, FinishReason::kCancelled, absl::CancelledError("the client disconnected"));
  }
}

void EngineImpl::Resume(Ticket ticket) {
  const std::optional<SlotIndex> slot = sequences().Find(ticket);
  if (!slot || !emitter_.Resume(*slot)) return;
  HotSequence& hot = sequences().hot(*slot);
  Sequence& s = sequences()[*slot];
  if (s.burst_left > 0) {
    hot.flags &= ~HotSequence::kAwaitsEntry;
    context_.due.push_back(DueTokens{sequences().RefOf(*slot), std::exchange(s.burst_left, 0)});
    if (std::holds_alternative<Resident>(s.stage)) decode_.Rejoin(*slot);
  } else if (hot.flags & HotSequence::kAwaitsEntry) {
    hot.flags &= ~HotSequence::kAwaitsEntry;
    decode_.Enter(*slot);
  }
}

void EngineImpl::GiveUpOnReaders() {
  sequences().ForEach([this](SlotIndex slot) {
    if (!(sequences().hot(slot).flags & HotSequence::kHeldReader)) return;
    OnOver(slot, FinishReason::kFailed, absl::ResourceExhaustedError("the reader is too slow"));
  });
}

void EngineImpl::EndByDeadline(SlotIndex slot) {
  OnOver(slot, FinishReason::kDeadline,
         absl::DeadlineExceededError(
             absl::StrCat("its deadline, ", MillisecondsText(*sequences()[slot].request.deadline),
                          " of emulated time after it arrived, has passed")));
}

void EngineImpl::EndOverdue(Nanoseconds now) {
  sequences().ForEach([&](SlotIndex slot) {
    const Sequence& s = sequences()[slot];
    if (s.request.deadline && s.arrival + *s.request.deadline < now) EndByDeadline(slot);
  });
}

uint32_t EngineImpl::Abort(const RequestName& name, const absl::Status& status) {
  uint32_t ended = 0;
  sequences().ForEach([&](SlotIndex slot) {
    if (!name.Names(sequences()[slot].request)) return;
    OnOver(slot, FinishReason::kCancelled, status);
    ++ended;
  });
  return ended;
}

void EngineImpl::AbortAll(const absl::Status& status) {
  sequences().ForEach([&](SlotIndex slot) { OnOver(slot, FinishReason::kCancelled, status); });
}

void EngineImpl::ResetPrefixCaches() {
  prefill_.ResetCaches();
  decode_.ResetCaches();
}

Engine::Pause EngineImpl::RunUntil(Nanoseconds limit) {
  context_.limit = limit;
  Timeline& timeline = *context_.timeline;
  for (;;) {
    blocked_ = !SettleDue() || emitter_.holds_time();
    if (blocked_) return Pause::kBlocked;
    DispatchDirty();
    // Dispatching emits nothing, but a lane may have become dirty again (a preemption).
    if (context_.dirty.any()) continue;
    if (timeline.empty()) return Pause::kIdle;
    if (timeline.next_instant() > limit) return Pause::kLimit;
    ++context_.events;
    timeline.DeliverNext();
  }
}

// False: a value or a reader is awaited before the rest.
bool EngineImpl::SettleDue() {
  std::deque<Due>& due = context_.due;
  while (!due.empty()) {
    if (const auto* unit = std::get_if<UnitIndex>(&due.front())) {
      const UnitIndex next = *unit;
      due.pop_front();
      decode_.StartStep(next);
      continue;
    }
    auto& tokens = std::get<DueTokens>(due.front());
    const SequenceRef sequence = tokens.sequence;
    if (sequences().IsCurrent(sequence) && !emitter_.EmitBurst(sequence.slot, &tokens.left)) {
      return false;
    }
    due.pop_front();
    if (sequences().IsCurrent(sequence)) AfterEmission(sequence.slot);
  }
  return true;
}

void EngineImpl::DispatchDirty() {
  context_.dirty.TakeEach([this](LaneIndex lane) {
    FindRoomForWaiting(lane);
    Dispatch(lane);
  });
}

void EngineImpl::OnEvent(uint64_t word) {
  const Payload payload = Payload::Of(word);
  const SlotIndex slot{payload.index};
  if (sequences()[slot].life != payload.generation) return;  // ended, the slot may be another's
  EndByDeadline(slot);
}

}  // namespace waferline::engine
