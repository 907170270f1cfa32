// Arrival: a request becomes Admitted or is refused, with a hint computed from the queue.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/retry_hint.h"

namespace waferline::engine {
namespace {

// `context`: of the model, 0 if it has none.
absl::Status StatusOf(policy::RefusalCause cause, const ValidRequest& request, uint32_t context) {
  using policy::RefusalCause;
  switch (cause) {
    case RefusalCause::kUnknownModel:
      return absl::NotFoundError(absl::StrCat("no model \"", request.model, "\" here"));
    case RefusalCause::kNeverFits:
      return absl::InvalidArgumentError(
          absl::StrCat("prompt and max_tokens (", request.max_tokens,
                       ") need more KV memory than any decode unit of this model has",
                       context == 0 ? "" : absl::StrCat("; its context is ", context, " tokens"),
                       "; lower max_tokens"));
    case RefusalCause::kQueueFull:
      return absl::UnavailableError("the queue of this service tier is full");
    case RefusalCause::kQueueThreshold:
      return absl::UnavailableError(absl::StrCat("expected to wait longer than queue_threshold, ",
                                                 MillisecondsText(*request.queue_threshold)));
    case RefusalCause::kWouldMissDeadline:
      return absl::DeadlineExceededError(absl::StrCat("expected to miss its deadline, ",
                                                      MillisecondsText(*request.deadline),
                                                      " of emulated time after it arrives"));
    case RefusalCause::kDraining:
      return WithRetryAfter(absl::UnavailableError("the service is draining"),
                            Seconds(1));  // another server
    case RefusalCause::kNoDevice:
      return WithRetryAfter(
          absl::UnavailableError(
              "every device for this model is down: lost, or under repair; try again later"),
          Seconds(1));
  }
  return absl::UnavailableError("refused");
}

}  // namespace

void EngineImpl::Arrive(SlotIndex slot) {
  Sequence& s = sequences()[slot];
  HotSequence& hot = sequences().hot(slot);
  const LaneSpec& lane = context_.lanes[hot.lane];
  const ValidRequest& request = s.request;
  s.arrival = now();
  s.outline = request.outline;
  if (!s.outline) {
    s.outline = std::make_shared<PromptOutline>(
        OutlineOf(*request.prompt, lane.block_tokens, SaltOf(request.tenant, request.cache_salt)));
  }
  s.queue_class = policy::ClassOf(request.tier);
  s.waits_for = ChooseTier(slot);
  hot.generated = 0;
  hot.max_tokens = request.max_tokens;
  hot.last_token_ns = s.arrival.count();
  hot.sink = request.sink.get();
  hot.flags = (request.sampling.end_ids.empty() ? 0 : HotSequence::kHasEndIds) |
              (lane.keep_ids ? HotSequence::kKeepsIds : 0);

  const policy::AdmissionDecision decision =
      policy::DecideAdmission(lane.admission, AdmissionView(slot));
  if (!decision.admit) return Refuse(slot, decision.cause, decision.retry_after);

  hot.ordinal = accepted_++;
  context_.log.Record(DecisionLog::Kind::kAdmit, hot.ordinal, s.outline->tokens);
  s.stage = Admitted{queues_[hot.lane].TakePlace(s.queue_class)};
  std::optional<Nanoseconds> deadline;
  if (request.deadline) deadline = s.arrival + *request.deadline;
  s.order_key = policy::OrderKey(lane.order, {s.arrival, request.priority, deadline});
  sequences().EnterFirstPhase(slot, now());
  if (hot.flags & HotSequence::kKeepsIds) s.generated.reserve(request.max_tokens);
  context_.observers.Notify([&](EngineObserver& o) { o.OnAdmitted(sequences().InfoOf(slot)); });
  if (hot.sink != nullptr) hot.sink->OnAdmitted();
  if (deadline) {
    context_.timeline->Schedule(*deadline, Priority::kPolicy, this,
                                Payload{Kind::kDeadline, slot.value, s.life}.word());
  }
  Enqueue(slot);
}

void EngineImpl::Enqueue(SlotIndex slot) {
  Sequence& s = sequences()[slot];
  const HotSequence& hot = sequences().hot(slot);
  s.prefill_total = s.outline->tokens + hot.generated;
  s.prefill_done = 0;
  tiers_[hot.lane].Promise(&s, s.waits_for.tier, hot.max_tokens - hot.generated);
  queues_[hot.lane].Push(slot);
  context_.dirty.Mark(hot.lane);
}

void EngineImpl::Refuse(SlotIndex slot, policy::RefusalCause cause, Nanoseconds retry_after) {
  const Sequence& s = sequences()[slot];
  const uint32_t context = context_.lanes[sequences().hot(slot).lane].context;
  ++refused_;
  context_.log.Record(DecisionLog::Kind::kRefuse, refused_, static_cast<uint64_t>(cause));
  context_.observers.Notify(
      [&](EngineObserver& o) { o.OnRefused(sequences().InfoOf(slot), cause, retry_after); });
  if (s.request.sink) s.request.sink->OnRefused({StatusOf(cause, s.request, context), retry_after});
  sequences().Free(slot);
}

// No model, or every slot is taken: one is free again when something ends, which is soon.
void EngineImpl::RefuseWithoutSlot(Ticket ticket, const ValidRequest& request, LaneIndex lane,
                                   policy::RefusalCause cause) {
  const bool full = cause == policy::RefusalCause::kQueueFull;
  const Nanoseconds retry = full ? Milliseconds(100) : Nanoseconds();
  ++refused_;
  context_.observers.Notify([&](EngineObserver& o) {
    o.OnRefused({.lane = lane, .ticket = ticket, .request = &request, .arrival = now()}, cause,
                retry);
  });
  if (!request.sink) return;
  request.sink->OnRefused(
      {full ? absl::UnavailableError("the service has as many requests as it can hold")
            : StatusOf(cause, request, 0),
       retry});
}

policy::AdmissionSnapshot EngineImpl::AdmissionView(SlotIndex slot) const {
  const Sequence& s = sequences()[slot];
  const LaneIndex lane = sequences().hot(slot).lane;
  const uint32_t context = context_.lanes[lane].context;
  const Tokens tokens = s.total_tokens();
  policy::AdmissionSnapshot view;
  view.queue_class = s.queue_class;
  for (int c = 0; c < policy::kQueueClasses; ++c) {
    view.waiting[c] = queues_[lane].places_taken(static_cast<policy::QueueClass>(c));
  }
  view.draining = draining_;
  view.fits_some_unit = (context == 0 || tokens <= Tokens(context)) &&
                        prefill_.CouldHold(lane, tokens) && decode_.CouldHold(lane, tokens);
  view.device_alive = prefill_.AnyAlive(lane) && decode_.AnyUsable(lane);
  view.expected_queue = ExpectedQueue(lane, s.waits_for);
  view.deadline = s.request.deadline;
  view.queue_threshold = s.request.queue_threshold;
  if (view.deadline && view.fits_some_unit) view.expected_service = ExpectedService(slot);
  return view;
}

// The work before it, at the rate of the workers alive, or until the units have room, whichever is
// longer.
Nanoseconds EngineImpl::ExpectedQueue(LaneIndex lane, const policy::TierChoice& tiers) const {
  const CacheUse& use = cache_use_[lane];
  const double misses =
      use.queried > 0 ? 1.0 - static_cast<double>(use.hit) / static_cast<double>(use.queried) : 1.0;
  const double prefill_ns =
      prefill_.ExpectedWait(lane, static_cast<double>(queues_[lane].waiting_tokens()) * misses);
  const double room_ns =
      decode_.ExpectedWait(lane, tiers, static_cast<double>(queues_[lane].size(tiers)));
  return Nanoseconds(std::llround(std::max(prefill_ns, room_ns)));
}

double EngineImpl::ServiceTime(SlotIndex slot, const policy::TierChoice& tiers) const {
  const Sequence& s = sequences()[slot];
  const LaneIndex lane = sequences().hot(slot).lane;
  const double prefill =
      s.takes_remote_kv() ? 0.0 : prefill_.BestTime(lane, Tokens(s.outline->tokens));
  return prefill + decode_.BestTime(lane, tiers, s);
}

Nanoseconds EngineImpl::ExpectedService(SlotIndex slot) const {
  const double total = ServiceTime(slot, sequences()[slot].waits_for);
  // No device alive: refused for that, not for this.
  return total < 1e18 ? Nanoseconds(std::llround(total)) : Nanoseconds();
}

}  // namespace waferline::engine
