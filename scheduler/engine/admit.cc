// Arrival: a request becomes Admitted or is refused, with a hint computed from the queue.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_state.h"

namespace waferline::engine {
namespace {

absl::Status StatusOf(policy::RefusalCause cause, const ValidRequest& request) {
  using policy::RefusalCause;
  switch (cause) {
    case RefusalCause::kUnknownModel:
      return absl::NotFoundError(absl::StrCat("no model \"", request.model, "\" here"));
    case RefusalCause::kNeverFits:
      return absl::InvalidArgumentError(
          "prompt and max_tokens need more KV memory than any decode unit of this model has; "
          "lower max_tokens");
    case RefusalCause::kQueueFull:
      return absl::UnavailableError("the queue of this service tier is full");
    case RefusalCause::kQueueThreshold:
      return absl::UnavailableError("expected to wait longer than queue_threshold");
    case RefusalCause::kWouldMissDeadline:
      return absl::UnavailableError("expected to miss its deadline");
    case RefusalCause::kDraining:
      return absl::UnavailableError("draining");
    case RefusalCause::kNoDevice:
      return absl::UnavailableError("every device for this model is lost");
  }
  return absl::UnavailableError("refused");
}

}  // namespace

void EngineState::Arrive(uint32_t slot) {
  Sequence& s = sequences_[slot];
  HotSequence& hot = hot_[slot];
  Lane& lane = lanes_[hot.lane];
  const ValidRequest& request = s.request;
  if (request.outline) {
    s.outline = request.outline;
  } else {
    s.outline = std::make_shared<PromptOutline>(OutlineOf(
        *request.prompt, lane.spec.block_tokens, SaltOf(request.tenant, request.cache_salt)));
  }
  s.queue_class = policy::ClassOf(request.tier);
  s.phase = Phase::kQueue;
  s.phase_since = s.arrival;
  hot.generated = 0;
  hot.max_tokens = request.max_tokens;
  hot.last_token_ns = s.arrival.count();
  hot.sink = request.sink.get();
  hot.flags = (request.sampling.end_ids.empty() ? 0 : HotSequence::kHasEndIds) |
              (lane.spec.keep_ids ? HotSequence::kKeepsIds : 0);

  const policy::AdmissionDecision decision =
      policy::DecideAdmission(lane.spec.admission, AdmissionView(lane, s));
  if (!decision.admit) return Refuse(slot, decision.cause, decision.retry_after);

  hot.ordinal = accepted_++;
  Mix(Decision::kAdmit, hot.ordinal, s.outline->tokens);
  auto place = lane.places[static_cast<size_t>(s.queue_class)]->Take(Places(1));
  s.stage = Admitted{std::move(*place)};
  const auto instant = [&](Nanoseconds since) { return s.arrival + since; };
  s.order_key = policy::OrderKey(
      lane.spec.order,
      {s.arrival, request.priority,
       request.deadline ? std::optional(instant(*request.deadline)) : std::nullopt});
  ++lane.in_phase[static_cast<size_t>(Phase::kQueue)];
  if (hot.flags & HotSequence::kKeepsIds) s.generated.reserve(request.max_tokens);
  observers_.Notify([&](EngineObserver& o) { o.OnAdmitted(NoteOf(slot)); });
  if (hot.sink != nullptr) hot.sink->OnAdmitted();
  if (request.deadline) {
    timeline_->Schedule(instant(*request.deadline), Priority::kPolicy, this,
                        Payload(Kind::kDeadline, slot, s.life));
  }
  Enqueue(slot);
}

void EngineState::Enqueue(uint32_t slot) {
  Sequence& s = sequences_[slot];
  Lane& lane = lanes_[hot_[slot].lane];
  s.prefill_total = s.outline->tokens + hot_[slot].generated;
  s.prefill_done = 0;
  s.moved_to = 0;
  ++lane.waiting[static_cast<size_t>(s.queue_class)];
  lane.waiting_tokens += s.prefill_total;
  lane.queue->Push(s.request.tenant,
                   {s.order_key, hot_[slot].ordinal, slot, hot_[slot].generation});
  lane.dirty = any_dirty_ = true;
}

void EngineState::Refuse(uint32_t slot, policy::RefusalCause cause, Nanoseconds retry_after) {
  Sequence& s = sequences_[slot];
  ++refused_;
  Mix(Decision::kRefuse, refused_, static_cast<uint64_t>(cause));
  observers_.Notify([&](EngineObserver& o) { o.OnRefused(NoteOf(slot), cause, retry_after); });
  if (s.request.sink) s.request.sink->OnRefused({StatusOf(cause, s.request), retry_after});
  FreeSlot(slot);
}

bool EngineState::FitsSomeUnit(const Lane& lane, const Sequence& s) const {
  const uint64_t tokens = s.outline->tokens + std::max<uint64_t>(1, s.request.max_tokens);
  if (lane.spec.context > 0 && tokens > lane.spec.context) return false;
  const bool worker = std::any_of(lane.workers.begin(), lane.workers.end(), [&](uint32_t w) {
    return Tokens(static_cast<int64_t>(tokens)) <= workers_[w].memory->capacity();
  });
  const bool unit = std::any_of(lane.units.begin(), lane.units.end(), [&](uint32_t u) {
    const StageLedger& ledger = *units_[u].ledger;
    return ledger.PagesFor(Tokens(static_cast<int64_t>(tokens))) <= ledger.pages().capacity();
  });
  return worker && unit;
}

policy::AdmissionSnapshot EngineState::AdmissionView(const Lane& lane, const Sequence& s) const {
  policy::AdmissionSnapshot view;
  view.queue_class = s.queue_class;
  for (int c = 0; c < policy::kQueueClasses; ++c) {
    view.waiting[c] = static_cast<uint32_t>(lane.places[c]->used().count());
  }
  view.draining = draining_;
  view.fits_some_unit = FitsSomeUnit(lane, s);
  view.device_alive = std::any_of(lane.workers.begin(), lane.workers.end(),
                                  [this](uint32_t w) { return workers_[w].alive; }) &&
                      std::any_of(lane.units.begin(), lane.units.end(),
                                  [this](uint32_t u) { return units_[u].usable(); });
  view.expected_queue = ExpectedQueue(lane);
  view.deadline = s.request.deadline;
  view.queue_threshold = s.request.queue_threshold;
  if (view.deadline && view.fits_some_unit) view.expected_service = ExpectedService(lane, s);
  return view;
}

// The work before it over the rate of the workers alive, and, if the units are full, the time until
// as many pages as are waited for have come back: those waiting each hold as many as those running
// do, for as long as they do.
Nanoseconds EngineState::ExpectedQueue(const Lane& lane) const {
  const double misses = lane.cache_queried > 0 ? 1.0 - static_cast<double>(lane.cache_hit) /
                                                           static_cast<double>(lane.cache_queried)
                                               : 1.0;
  double tokens = static_cast<double>(lane.waiting_tokens) * misses;
  double rate = 0;
  for (const uint32_t w : lane.workers) {
    if (!workers_[w].alive) continue;
    tokens += static_cast<double>(workers_[w].pending_tokens);
    rate += workers_[w].tokens_per_ns / workers_[w].slowdown;
  }
  double wait_ns = rate > 0 ? tokens / rate : 0;
  int64_t free_seats = 0;
  double seats = 0;
  for (const uint32_t u : lane.units) {
    if (!units_[u].usable()) continue;
    const Unit& unit = units_[u];
    const double filled =
        unit.ledger->pages().used().as_double() / unit.ledger->pages().capacity().as_double();
    const double running = unit.seats->used().as_double();
    // How many of the present kind it holds when it is full.
    seats += filled > 0.01 ? std::min(unit.seats->capacity().as_double(), running / filled)
                           : unit.seats->capacity().as_double();
    if (filled < 0.9) free_seats += unit.seats->free().count();
  }
  const double waiting = static_cast<double>(lane.queue->live());
  if (free_seats == 0 && seats > 0) {
    wait_ns = std::max(wait_ns, (waiting + 1) * lane.mean_hold_ns / seats);
  }
  return Nanoseconds(std::llround(wait_ns));
}

Nanoseconds EngineState::ExpectedService(const Lane& lane, const Sequence& s) const {
  const double slots = std::max<double>(1.0, s.request.max_tokens);
  double best_prefill_ns = std::numeric_limits<double>::max();
  for (const uint32_t w : lane.workers) {
    const Worker& worker = workers_[w];
    if (!worker.alive) continue;
    const PrefillChunk chunk{Tokens(s.outline->tokens), Tokens()};
    best_prefill_ns = std::min(
        best_prefill_ns, worker.spec.device->StepTime({&chunk, 1}).as_double() * worker.slowdown);
  }
  double best_rest_ns = std::numeric_limits<double>::max();
  const Tokens kv(s.outline->tokens + s.request.max_tokens / 2);
  for (const uint32_t u : lane.units) {
    const Unit& unit = units_[u];
    if (!unit.usable()) continue;
    const double step_ns =
        unit.spec.pipeline != nullptr
            ? unit.spec.pipeline->Latency(kv).as_double()
            : unit.spec.batch
                  ->StepTime(static_cast<int>(unit.members.size()) + 1,
                             kv * (static_cast<int64_t>(unit.members.size()) + 1), 1)
                  .as_double();
    double rest_ns = step_ns * (slots - 1);
    if (unit.spec.link != nullptr) {
      rest_ns +=
          unit.spec.link
              ->TimeAlone(lane.spec.kv_bytes_per_token * static_cast<int64_t>(s.outline->tokens))
              .as_double();
    }
    best_rest_ns = std::min(best_rest_ns, rest_ns);
  }
  const double total = best_prefill_ns + best_rest_ns;
  // No device alive: refused for that, not for this.
  return total < 1e18 ? Nanoseconds(std::llround(total)) : Nanoseconds();
}

}  // namespace waferline::engine
