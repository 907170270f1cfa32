// How a request ends or restarts.
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/retry_hint.h"

namespace waferline::engine {
namespace {
constexpr Nanoseconds kRetryAfter = Seconds(1);  // what was lost so often may be lost again
}  // namespace

TokenEmitter::Reader EngineImpl::ReleaseResources(SlotIndex slot) {
  Sequence& s = sequences()[slot];
  const LaneIndex lane = sequences().hot(slot).lane;
  const bool waited = std::holds_alternative<Admitted>(s.stage);
  handoffs_.Stop(slot);
  if (std::holds_alternative<Prefilling>(s.stage)) prefill_.Forget(slot);
  decode_.Return(slot);
  const TokenEmitter::Reader reader = emitter_.Forget(slot);
  const HotSequence& hot = sequences().hot(slot);
  tiers_[lane].Settle(&s, hot.max_tokens - hot.generated);
  s.stage = std::monostate();
  sequences().Outdate(slot);
  if (waited) queues_[lane].Remove(s);
  context_.dirty.Mark(lane);
  return reader;
}

void EngineImpl::OnOver(SlotIndex slot, FinishReason reason, absl::Status status) {
  const HotSequence& hot = sequences().hot(slot);
  const Sequence& s = sequences()[slot];
  const bool charged = !std::holds_alternative<Admitted>(s.stage);
  ReleaseResources(slot);
  sequences().LeaveLastPhase(slot, now());
  if (charged) queues_[hot.lane].RefundRest(s, hot);
  ++finished_;
  context_.log.Record(DecisionLog::Kind::kOutcome, hot.ordinal, static_cast<uint64_t>(reason));
  const Outcome outcome{.reason = reason,
                        .status = std::move(status),
                        .prompt_tokens = s.outline->tokens,
                        .cached_tokens = s.cached_tokens,
                        .generated_tokens = hot.generated,
                        .times = {.queue = s.spent_in(Phase::kQueue),
                                  .prefill = s.spent_in(Phase::kPrefill),
                                  .transfer = s.spent_in(Phase::kTransfer),
                                  .decode = s.spent_in(Phase::kDecode)},
                        .compute = s.compute,
                        .served = s.served};
  context_.observers.Notify([&](EngineObserver& o) {
    o.OnOutcome({sequences().InfoOf(slot), &outcome, s.first_token_at,
                 Nanoseconds(hot.last_token_ns), s.restarts + s.preemptions});
  });
  if (hot.sink != nullptr) hot.sink->OnOutcome(outcome);
  sequences().Free(slot);
}

// The compute plane has tried what it can: what its hosts lost it computed again itself.
void EngineImpl::OnValueFailed(SlotIndex slot, absl::Status status) {
  if (status.ok()) status = absl::InternalError("the value source failed without a reason");
  OnOver(slot, FinishReason::kFailed, std::move(status));
}

void EngineImpl::Restart(SlotIndex slot, RestartCause cause) {
  const HotSequence& hot = sequences().hot(slot);
  Sequence& s = sequences()[slot];
  if (cause == RestartCause::kPreempted) {
    ++s.preemptions;
  } else if (++s.restarts > context_.lanes[hot.lane].limits.max_restarts) {
    return OnOver(
        slot, FinishReason::kFailed,
        WithRetryAfter(absl::UnavailableError(absl::StrCat("restarted ", s.restarts - 1,
                                                           " times, then its device was lost")),
                       kRetryAfter));
  }
  // What it got for its charge so far is lost, and not by its fault.
  queues_[hot.lane].RefundAll(s, hot);
  const TokenEmitter::Reader reader = ReleaseResources(slot);
  emitter_.Restore(slot, reader);
  s.stage = Admitted();
  s.waits_for = ChooseTier(slot);
  SetPhase(slot, Phase::kQueue);
  context_.log.Record(DecisionLog::Kind::kRestart, hot.ordinal, static_cast<uint64_t>(cause));
  context_.observers.Notify(
      [&](EngineObserver& o) { o.OnRestart(sequences().InfoOf(slot), cause); });
  Enqueue(slot);
}

}  // namespace waferline::engine
