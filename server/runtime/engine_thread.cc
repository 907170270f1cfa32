#include "server/runtime/engine_thread.h"

#include <optional>
#include <utility>

#include "server/runtime/engine_loop.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/notification.h"

namespace waferline::runtime {

EngineThread::EngineThread(const EngineThreadOptions& options, Timeline* timeline,
                           LatenessObserver* lateness)
    : loop_(std::make_unique<EngineLoop>(options, timeline, lateness)), tickets_(options.tickets) {
  WL_CHECK(options.clock.scale > 0);
}

EngineThread::~EngineThread() { Stop(); }

engine::EngineObserver* EngineThread::observer() { return loop_->observer(); }

void EngineThread::Start(engine::Engine* engine) {
  started_ = true;
  thread_ = Thread([this, engine] { loop_->Run(engine); });
}

absl::StatusOr<Ticket> EngineThread::Submit(ValidRequest request) {
  if (request.own_arrival && loop_->real()) {
    return absl::InvalidArgumentError(
        "arrival_number: this server's clock is real, requests arrive when they come; own arrivals "
        "need clock: {kind: stepped}");
  }
  const uint64_t number = submitted_.fetch_add(1, std::memory_order_relaxed);
  const Ticket ticket{tickets_.first + number * tickets_.step};
  switch (loop_->inbox().PushRequest({ticket, std::move(request), WallNanoseconds()})) {
    case Inbox::Push::kTaken:
      return ticket;
    case Inbox::Push::kFull:
      return absl::UnavailableError("the service has more requests than it can take in");
    case Inbox::Push::kClosed:
      break;
  }
  return absl::UnavailableError("the service is stopping");
}

void EngineThread::Cancel(Ticket ticket) { loop_->inbox().PushCancel(ticket); }
void EngineThread::Resume(Ticket ticket) { loop_->inbox().PushResume(ticket); }
// Lost if the mailbox is full; its bound is that of the requests ahead of their instants, too.
void EngineThread::Skip(const OwnArrival& own) {
  if (loop_->real()) return;
  ValidRequest nothing;
  nothing.own_arrival = own;
  loop_->inbox().PushRequest({kNoTicket, std::move(nothing), WallNanoseconds()});
}
void EngineThread::Wake() { loop_->inbox().Wake(); }
bool EngineThread::Post(std::function<void(engine::Engine&)> call) {
  return loop_->inbox().PushCall(std::move(call));
}

bool EngineThread::Abort(const RequestName& name, const absl::Status& status,
                         std::function<void(uint32_t)> done) {
  return Post([loop = loop_.get(), name, status, done = std::move(done)](engine::Engine&) {
    done(loop->Abort(name, status));
  });
}

engine::EngineSnapshot EngineThread::Snapshot() {
  struct Answer {
    Notification ready;
    engine::EngineSnapshot snapshot;
  };
  auto answer = std::make_shared<Answer>();
  const bool taken = Post([answer](engine::Engine& engine) {
    answer->snapshot = engine.Snapshot();
    answer->ready.Notify();
  });
  if (!taken || !started_) return {};
  answer->ready.Wait();
  return std::move(answer->snapshot);
}

void EngineThread::Drain() { loop_->inbox().Drain(); }

void EngineThread::EndDrain() { loop_->inbox().EndDrain(); }

void EngineThread::StartStopping() { loop_->inbox().Stop(); }

void EngineThread::Stop() {
  StartStopping();
  if (thread_.joinable()) thread_.join();
}

Nanoseconds EngineThread::progress_age() const {
  const int64_t last_ns = loop_->last_turn_ns();
  return last_ns == 0 ? Nanoseconds() : Nanoseconds(WallNanoseconds() - last_ns);
}

Nanoseconds EngineThread::blocked_age() const {
  const int64_t since_ns = loop_->blocked_since_ns();
  return since_ns == 0 ? Nanoseconds() : Nanoseconds(WallNanoseconds() - since_ns);
}

}  // namespace waferline::runtime
