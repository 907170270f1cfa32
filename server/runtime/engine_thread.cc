#include "server/runtime/engine_thread.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "server/runtime/arrival_feed.h"
#include "server/runtime/host.h"
#include "server/runtime/inbox.h"
#include "server/runtime/pace.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/spin_pause.h"

namespace waferline::runtime {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
constexpr size_t kMostCalls = 256;
// The thread shows that it lives at least this often, whatever it waits for.
constexpr int64_t kTickNs = 50'000'000;
// Values that are awaited are taken at most this often on the wall clock. Small models make several
// within it; taking each by itself would wake this thread, the stream's writer and its reader for
// every one of them, on the cores that compute the next.
constexpr int64_t kTakeEveryNs = 2'000'000;
// Stepped: the inbox is looked at this often, in emulated time.
constexpr Nanoseconds kSlice = Milliseconds(1);
// What spinning may save up for a burst.
constexpr double kMostSpinCreditNs = 5e6;

SteadyTime At(int64_t wall_ns) {
  return SteadyTime(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::nanoseconds(wall_ns)));
}

}  // namespace

class EngineThread::Loop {
 public:
  Loop(const EngineThreadOptions& options, Timeline* timeline, LatenessObserver* lateness)
      : options_(options),
        timeline_(timeline),
        lateness_(lateness),
        inbox(options.mailbox_capacity, kMostCalls),
        meter(lateness, real() ? std::optional(options.clock.scale) : std::nullopt),
        pace_(options.clock.scale, 0, Nanoseconds()),
        feed_({.held = options.mailbox_capacity, .grace = options.clock.arrival_grace}, timeline,
              [this](Inbox::Submitted request) { Submit(std::move(request)); }) {}

  void Run(engine::Engine* engine) {
    engine_ = engine;
    // Sleeps end within a microsecond of their end instead of the default 50.
    prctl(PR_SET_TIMERSLACK, 1000UL);
    PreferShortTurns();
    pace_.Anchor(WallNanoseconds(), timeline_->now());
    while (!over_) {
      last_turn_ns.store(WallNanoseconds(), std::memory_order_relaxed);
      TakeInbox();
      if (real()) {
        TurnReal();
      } else {
        TurnStepped();
      }
    }
    Finish();
  }

  void Start(engine::Engine* engine) {
    started_ = true;
    thread_ = std::thread([this, engine] { Run(engine); });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  bool started() const { return started_; }
  bool real() const { return options_.clock.kind == ClockKind::kReal; }

  // On the engine's thread.
  uint32_t Abort(const std::string& request_id, const absl::Status& status) {
    return feed_.Abort(request_id, status) + engine_->Abort(request_id, status);
  }

 private:
  void TakeInbox() {
    Inbox::Content content = inbox.Take();
    for (Inbox::Submitted& request : content.requests) Admit(std::move(request));
    for (const Ticket ticket : content.cancels) Cancel(ticket);
    for (const Ticket ticket : content.resumes) engine_->Resume(ticket);
    for (const Inbox::Call& call : content.calls) call(*engine_);
    if (content.draining && !drained_) {
      drained_ = true;
      feed_.Close(absl::UnavailableError("the service is draining"));
      engine_->Drain();
    }
    if (content.stopping && !stop_at_ns_) {
      stop_at_ns_ = WallNanoseconds() + options_.drain_bound.count();
    }
    if (stop_at_ns_) {
      over_ = engine_->in_flight() == 0 || WallNanoseconds() >= *stop_at_ns_;
    }
  }

  void Admit(Inbox::Submitted request) {
    if (real()) {
      // The mailbox is where a request arrives: the clock has to be there first.
      if (!blocked_) RunTo(pace_.InstantAt(WallNanoseconds()));
    } else if (request.request.own_arrival) {
      return feed_.Take(std::move(request));
    }
    Submit(std::move(request));
  }

  void Submit(Inbox::Submitted request) {
    meter.SetSubmitted(request.wall_ns);
    engine_->Submit(request.ticket, std::move(request.request));
  }

  void Cancel(Ticket ticket) {
    if (!feed_.Cancel(ticket)) engine_->Cancel(ticket);
  }

  // Delivers what is due. False: emulated time stands still before `limit`.
  bool RunTo(Nanoseconds limit) {
    const engine::Engine::Pause pause = engine_->RunUntil(std::max(limit, timeline_->now()));
    if (pause == engine::Engine::Pause::kBlocked) {
      if (!blocked_) blocked_since_ns_ = WallNanoseconds();
      blocked_ = true;
      return false;
    }
    if (limit > timeline_->now()) timeline_->AdvanceTo(limit);
    return true;
  }

  void TurnReal() {
    if (blocked_) {
      // Only the present instant: when its values are there, the clock goes on from it.
      if (engine_->RunUntil(timeline_->now()) == engine::Engine::Pause::kBlocked) {
        return WaitForValues();
      }
      const int64_t wall_ns = WallNanoseconds();
      pace_.Anchor(wall_ns, timeline_->now());
      Unblock(wall_ns);
    }
    if (!RunTo(pace_.InstantAt(WallNanoseconds()))) return;
    const int64_t tick_ns = WallNanoseconds() + kTickNs;
    const int64_t next_ns = timeline_->empty() ? tick_ns : pace_.WallOf(timeline_->next_instant());
    Wait(std::min(next_ns, tick_ns));
  }

  void TurnStepped() {
    Nanoseconds limit =
        (timeline_->empty() ? timeline_->now() : timeline_->next_instant()) + kSlice;
    if (feed_.open()) limit = std::min(limit, feed_.frontier());
    const engine::Engine::Pause pause = engine_->RunUntil(limit);
    const int64_t wall_ns = WallNanoseconds();
    if (pause != engine::Engine::Pause::kBlocked) {
      if (blocked_) Unblock(wall_ns);
      const bool at_frontier = feed_.open() && limit == feed_.frontier();
      if (pause == engine::Engine::Pause::kLimit && !at_frontier) return;
      feed_.StandStill(wall_ns);
      return Wait(wall_ns + kTickNs);
    }
    if (!blocked_) blocked_since_ns_ = wall_ns;
    blocked_ = true;
    if (wall_ns - blocked_since_ns_ > options_.clock.reader_grace.count()) {
      engine_->GiveUpOnReaders();
    }
    WaitForValues();
  }

  void Unblock(int64_t wall_ns) {
    blocked_ = false;
    taken_at_ns_ = wall_ns;
    lateness_->OnBlocked(Nanoseconds(wall_ns - blocked_since_ns_));
  }

  // No spinning here: what is awaited is being computed, perhaps on this very core.
  void WaitForValues() {
    if (over_) return;
    std::this_thread::sleep_until(At(taken_at_ns_ + kTakeEveryNs));
    inbox.WaitUntil(At(WallNanoseconds() + kTickNs));
  }

  // Until `wall_ns` or something is new: asleep for most of it, spinning at its end, as far as the
  // share for spinning goes.
  void Wait(int64_t wall_ns) {
    if (over_) return;
    taken_at_ns_ = 0;  // all that was due was there: the next value that is not is taken at once
    const int64_t now_ns = WallNanoseconds();
    spin_credit_ns_ = std::min(kMostSpinCreditNs,
                               spin_credit_ns_ + static_cast<double>(now_ns - credited_at_ns_) *
                                                     options_.clock.spin_share);
    credited_at_ns_ = now_ns;
    const int64_t spin_ns =
        std::min<int64_t>(options_.clock.spin.count(), static_cast<int64_t>(spin_credit_ns_));
    if (!inbox.awake() && wall_ns - spin_ns > now_ns) inbox.WaitUntil(At(wall_ns - spin_ns));
    if (wall_ns - WallNanoseconds() <= spin_ns) Spin(wall_ns);
  }

  void Spin(int64_t until_ns) {
    const int64_t begin_ns = WallNanoseconds();
    int64_t now_ns = begin_ns;
    while (now_ns < until_ns && !inbox.awake()) {
      SpinPause();
      now_ns = WallNanoseconds();
    }
    spin_credit_ns_ -= static_cast<double>(now_ns - begin_ns);
  }

  // Nothing that was submitted stays without an answer.
  void Finish() {
    Inbox::Content rest = inbox.Close();
    feed_.Close(absl::UnavailableError("the service has stopped"));
    engine_->Drain();
    for (Inbox::Submitted& request : rest.requests) Submit(std::move(request));
    engine_->AbortAll(absl::UnavailableError("the service has stopped"));
    for (const Inbox::Call& call : rest.calls) call(*engine_);
  }

  const EngineThreadOptions options_;
  Timeline* const timeline_;
  LatenessObserver* const lateness_;

 public:
  Inbox inbox;
  LatenessMeter meter;
  std::atomic<int64_t> last_turn_ns{0};
  std::atomic<uint64_t> last_ticket{0};

 private:
  engine::Engine* engine_ = nullptr;
  Pace pace_;
  bool blocked_ = false;
  int64_t blocked_since_ns_ = 0;
  int64_t taken_at_ns_ = 0;  // when values that time stood still for were last taken
  ArrivalFeed feed_;
  bool drained_ = false;
  bool over_ = false;
  std::optional<int64_t> stop_at_ns_;
  double spin_credit_ns_ = 0;
  int64_t credited_at_ns_ = WallNanoseconds();
  std::atomic<bool> started_{false};
  std::thread thread_;
};

EngineThread::EngineThread(const EngineThreadOptions& options, Timeline* timeline,
                           LatenessObserver* lateness)
    : loop_(std::make_unique<Loop>(options, timeline, lateness)) {
  WL_CHECK(options.clock.scale > 0);
}

EngineThread::~EngineThread() { Stop(); }

engine::EngineObserver* EngineThread::observer() { return &loop_->meter; }

void EngineThread::Start(engine::Engine* engine) { loop_->Start(engine); }

absl::StatusOr<Ticket> EngineThread::Submit(ValidRequest request) {
  if (request.own_arrival && loop_->real()) {
    return absl::InvalidArgumentError(
        "arrival_number: this server's clock is real, requests arrive when they come; own arrivals "
        "need clock: {kind: stepped}");
  }
  const Ticket ticket{loop_->last_ticket.fetch_add(1, std::memory_order_relaxed) + 1};
  switch (loop_->inbox.PushRequest({ticket, std::move(request), WallNanoseconds()})) {
    case Inbox::Push::kTaken:
      return ticket;
    case Inbox::Push::kFull:
      return absl::UnavailableError("the service has more requests than it can take in");
    case Inbox::Push::kClosed:
      break;
  }
  return absl::UnavailableError("the service is draining");
}

void EngineThread::Cancel(Ticket ticket) { loop_->inbox.PushCancel(ticket); }
void EngineThread::Resume(Ticket ticket) { loop_->inbox.PushResume(ticket); }
void EngineThread::Wake() { loop_->inbox.Wake(); }
bool EngineThread::Post(std::function<void(engine::Engine&)> call) {
  return loop_->inbox.PushCall(std::move(call));
}

bool EngineThread::Abort(const std::string& request_id, const absl::Status& status,
                         std::function<void(uint32_t)> done) {
  return Post([loop = loop_.get(), request_id, status, done = std::move(done)](engine::Engine&) {
    done(loop->Abort(request_id, status));
  });
}

engine::EngineSnapshot EngineThread::Snapshot() {
  struct Answer {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<engine::EngineSnapshot> snapshot;
  };
  auto answer = std::make_shared<Answer>();
  const bool taken = Post([answer](engine::Engine& engine) {
    std::lock_guard lock(answer->mutex);
    answer->snapshot = engine.Snapshot();
    answer->changed.notify_one();
  });
  if (!taken || !loop_->started()) return {};
  std::unique_lock lock(answer->mutex);
  answer->changed.wait(lock, [&] { return answer->snapshot.has_value(); });
  return *std::move(answer->snapshot);
}

void EngineThread::Drain() { loop_->inbox.Drain(); }

void EngineThread::Stop() {
  loop_->inbox.Stop();
  loop_->Join();
}

Nanoseconds EngineThread::progress_age() const {
  const int64_t last_ns = loop_->last_turn_ns.load(std::memory_order_relaxed);
  return last_ns == 0 ? Nanoseconds() : Nanoseconds(WallNanoseconds() - last_ns);
}

}  // namespace waferline::runtime
