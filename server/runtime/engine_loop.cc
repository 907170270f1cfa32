#include "server/runtime/engine_loop.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/retry_hint.h"

namespace waferline::runtime {
namespace {

using Pause = engine::Engine::Pause;

constexpr size_t kMaxCalls = 256;
// Until then clients of one that stops may find another at its address.
constexpr Nanoseconds kAnotherServer = Seconds(1);
// The thread shows that it lives at least this often, whatever it waits for.
constexpr int64_t kTickNs = 50'000'000;
// Values that are awaited are taken at most this often on the wall clock. Small models make several
// within it; taking each by itself would wake this thread, the stream's writer and its reader for
// every one of them, on the cores that compute the next.
constexpr int64_t kTakeEveryNs = 2'000'000;
// Real clock: instants closer together than this are delivered together, none early. Each by itself
// would cost a wake-up of this thread and of the writers', or spinning until it comes.
constexpr int64_t kGatherNs = 50'000;
// Stepped: the inbox is looked at this often, in emulated time.
constexpr Nanoseconds kSlice = Milliseconds(1);

std::optional<double> ScaleOf(const ClockSettings& clock) {
  return clock.kind == ClockKind::kReal ? std::optional(clock.scale) : std::nullopt;
}

}  // namespace

absl::Status EngineLoop::TimeHasEnded() const {
  return WithRetryAfter(absl::UnavailableError(
                            absl::StrCat("emulated time has ended: 292 years of it have passed, at "
                                         "clock.scale ",
                                         options_.clock.scale, "; start the server again")),
                        kAnotherServer);
}

EngineLoop::EngineLoop(const EngineThreadOptions& options, Timeline* timeline,
                       LatenessObserver* lateness)
    : options_(options),
      timeline_(timeline),
      lateness_(lateness),
      inbox_(options.mailbox_capacity, kMaxCalls),
      meter_(lateness, ScaleOf(options.clock)),
      pace_(options.clock.scale, 0, Nanoseconds()),
      wait_(options.clock, &inbox_),
      feed_({.held = options.mailbox_capacity, .grace = options.clock.arrival_grace}, timeline,
            [this](Inbox::Submitted request) { Submit(std::move(request)); }) {}

void EngineLoop::Run(engine::Engine* engine) {
  engine_ = engine;
  // Sleeps end within a microsecond of their end instead of the default 50.
  prctl(PR_SET_TIMERSLACK, 1000UL);
  PreferShortTurns();
  pace_.Anchor(WallNanoseconds(), timeline_->now());
  while (!over_) {
    last_turn_ns_.store(WallNanoseconds(), std::memory_order_relaxed);
    TakeInbox();
    if (real()) {
      TurnReal();
    } else {
      TurnStepped();
    }
  }
  Finish();
}

uint32_t EngineLoop::Abort(const RequestName& name, const absl::Status& status) {
  return feed_.Abort(name, status) + engine_->Abort(name, status);
}

void EngineLoop::TakeInbox() {
  Inbox::Content content = inbox_.Take();
  if (!content.draining && drained_) engine_->EndDrain();  // before the requests that it let in
  const bool drain = content.draining && !drained_;
  const size_t before = drain ? content.before_drain : 0;
  for (size_t i = 0; i < before; ++i) Admit(std::move(content.requests[i]));
  if (drain) {
    feed_.Close(absl::UnavailableError("the service is draining"));
    engine_->Drain();
  }
  drained_ = content.draining;
  for (size_t i = before; i < content.requests.size(); ++i) Admit(std::move(content.requests[i]));
  for (const Ticket ticket : content.cancels) Cancel(ticket);
  for (const Ticket ticket : content.resumes) engine_->Resume(ticket);
  for (const Inbox::Call& call : content.calls) call(*engine_);
  if (content.stopping && !stop_at_ns_) {
    stop_at_ns_ = WallNanoseconds() + options_.drain_bound.count();
  }
  if (stop_at_ns_) {
    over_ = engine_->in_flight() == 0 || WallNanoseconds() >= *stop_at_ns_;
  }
}

void EngineLoop::Admit(Inbox::Submitted request) {
  if (real()) {
    // The mailbox is where a request arrives: the clock has to be there first.
    if (!blocked_since_ns_) RunTo(pace_.InstantAt(WallNanoseconds()));
    if (timeline_->now() >= Pace::kEnd) {
      if (request.request.sink) request.request.sink->OnRefused({TimeHasEnded(), {}});
      return;
    }
  } else if (request.request.own_arrival && !drained_) {
    return feed_.Take(std::move(request));
  }
  Submit(std::move(request));
}

void EngineLoop::Submit(Inbox::Submitted request) {
  if (request.ticket == kNoTicket) return;  // it only held a place in a trace
  meter_.SetSubmitted(request.wall_ns);
  engine_->Submit(request.ticket, std::move(request.request));
}

void EngineLoop::Cancel(Ticket ticket) {
  if (!feed_.Cancel(ticket)) engine_->Cancel(ticket);
}

// Delivers what is due. False: emulated time stands still before `limit`.
bool EngineLoop::RunTo(Nanoseconds limit) {
  if (engine_->RunUntil(std::max(limit, timeline_->now())) == Pause::kBlocked) {
    Block(WallNanoseconds());
    return false;
  }
  if (limit > timeline_->now()) timeline_->AdvanceTo(limit);
  return true;
}

void EngineLoop::TurnReal() {
  if (blocked_since_ns_) {
    // Only the present instant: when its values are there, the clock goes on from it.
    const Pause pause = engine_->RunUntil(timeline_->now());
    const int64_t wall_ns = WallNanoseconds();
    if (pause == Pause::kBlocked) {
      EndOverdue(wall_ns);
      return WaitForValues();
    }
    pace_.Anchor(wall_ns, timeline_->now());
    Unblock(wall_ns);
  }
  const int64_t turn_ns = WallNanoseconds();
  if (!RunTo(pace_.InstantAt(turn_ns))) return;
  if (timeline_->now() >= Pace::kEnd) engine_->AbortAll(TimeHasEnded());
  const int64_t tick_ns = WallNanoseconds() + kTickNs;
  const int64_t next_ns = timeline_->empty() ? tick_ns : pace_.WallOf(timeline_->next_instant());
  const int64_t gathered_ns = turn_ns + kGatherNs;
  if (next_ns >= gathered_ns) return Wait(std::min(next_ns, tick_ns));
  taken_at_ns_ = 0;
  wait_.UntilWithoutSpinning(gathered_ns);
}

void EngineLoop::TurnStepped() {
  Nanoseconds limit = (timeline_->empty() ? timeline_->now() : timeline_->next_instant()) + kSlice;
  if (feed_.open()) limit = std::min(limit, feed_.frontier());
  const Pause pause = engine_->RunUntil(limit);
  const int64_t wall_ns = WallNanoseconds();
  if (pause == Pause::kBlocked) {
    Block(wall_ns);
    if (wall_ns - *blocked_since_ns_ > options_.clock.reader_grace.count()) {
      engine_->GiveUpOnReaders();
    }
    return WaitForValues();
  }
  if (blocked_since_ns_) Unblock(wall_ns);
  const bool at_frontier = feed_.open() && limit == feed_.frontier();
  if (pause == Pause::kLimit && !at_frontier) return;
  feed_.StandStill(wall_ns);
  Wait(wall_ns + kTickNs);
}

void EngineLoop::Block(int64_t wall_ns) {
  if (blocked_since_ns_) return;
  blocked_since_ns_ = overdue_ended_ns_ = wall_ns;
  blocked_shown_ns_.store(wall_ns, std::memory_order_relaxed);
}

void EngineLoop::Unblock(int64_t wall_ns) {
  taken_at_ns_ = wall_ns;
  lateness_->OnBlocked(Nanoseconds(wall_ns - *blocked_since_ns_));
  blocked_since_ns_.reset();
  blocked_shown_ns_.store(0, std::memory_order_relaxed);
}

// Deadlines are the clients', who do not wait longer because a worker does not answer.
void EngineLoop::EndOverdue(int64_t wall_ns) {
  if (wall_ns - overdue_ended_ns_ < kTickNs) return;
  overdue_ended_ns_ = wall_ns;
  engine_->EndOverdue(pace_.InstantAt(wall_ns));
}

void EngineLoop::WaitForValues() {
  if (over_) return;
  WallWait::SleepUntil(taken_at_ns_ + kTakeEveryNs);
  wait_.UntilWithoutSpinning(WallNanoseconds() + kTickNs);
}

void EngineLoop::Wait(int64_t wall_ns) {
  if (over_) return;
  taken_at_ns_ = 0;  // all that was due was there: the next value that is not is taken at once
  wait_.Until(wall_ns);
}

// Everything that was submitted gets an answer.
void EngineLoop::Finish() {
  Inbox::Content rest = inbox_.Close();
  feed_.Close(absl::UnavailableError("the service has stopped"));
  engine_->Drain();
  for (Inbox::Submitted& request : rest.requests) Submit(std::move(request));
  engine_->AbortAll(
      WithRetryAfter(absl::UnavailableError("the service has stopped"), kAnotherServer));
  for (const Inbox::Call& call : rest.calls) call(*engine_);
}

}  // namespace waferline::runtime
