// The thread on which the engine lives: mailbox in, clock, wake-ups, drain. Front ends see it as
// FrontDoor, the compute plane as Waker.
//
// Owner: server/app; dies before the engine, the timeline and the sinks' threads. Thread: any for
// the public calls, except where said. Bounds: `mailbox_capacity` requests and as many control
// calls; a cancel or resume is never lost: there is at most one of each a ticket.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "scheduler/engine/engine.h"
#include "scheduler/request/front_door.h"
#include "server/runtime/clock.h"
#include "server/runtime/lateness_meter.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::runtime {

class EngineLoop;

// The tickets of one of several front doors: first, first + step, ... No two give the same one.
struct TicketSeries {
  uint64_t first = 1;
  uint64_t step = 1;
};

struct EngineThreadOptions {
  ClockSettings clock;
  TicketSeries tickets;
  size_t mailbox_capacity = 4096;
  Nanoseconds drain_bound = Seconds(30);  // wall; after it, what is in flight is aborted
};

class EngineThread : public FrontDoor, public Waker {
 public:
  // `lateness` outlives this. Lateness is measured by `observer()`, which has to be among the
  // observers given to Engine::Create. So there are two steps: construct, then Start.
  EngineThread(const EngineThreadOptions& options, Timeline* timeline, LatenessObserver* lateness);
  ~EngineThread() override;  // Stop()

  engine::EngineObserver* observer();
  void Start(engine::Engine* engine);

  // FrontDoor. InvalidArgument for an own_arrival under the real clock.
  absl::StatusOr<Ticket> Submit(ValidRequest request) override;
  void Cancel(Ticket ticket) override;
  void Resume(Ticket ticket) override;
  void Skip(const OwnArrival& own) override;
  // Waker.
  void Wake() override;

  // Runs `call` on the engine's thread between two events; false if its queue is full or the
  // thread has stopped. For operators: faults, prefix-cache reset.
  bool Post(std::function<void(engine::Engine&)> call);
  // Ends what was submitted by this name before the call, wherever it stands, with `status`; `done`
  // is called on the engine's thread with how many sequences that were. False as above: nothing is
  // called.
  bool Abort(const RequestName& name, const absl::Status& status,
             std::function<void(uint32_t)> done);
  // As the engine was at the end of some turn not older than the call; empty after Stop. Waits for
  // the engine's thread, so not for it and not for callback threads.
  engine::EngineSnapshot Snapshot();

  // No new requests; those in flight go on. Returns at once.
  void Drain();
  // Ends a drain, unless it stops. Returns at once.
  void EndDrain();
  // As Drain, and the thread ends once nothing is in flight, or the bound has passed.
  void StartStopping();
  // Drain, wait for what is in flight up to the bound, abort the rest, join. Idempotent.
  void Stop();

  // Nanoseconds on the wall since the engine's thread last ended a turn: health that sees a hang.
  Nanoseconds progress_age() const;
  // Nanoseconds on the wall for which emulated time has stood still by now, waiting for values or,
  // on the stepped clock, readers; 0: it moves.
  Nanoseconds blocked_age() const;

 private:
  const std::unique_ptr<EngineLoop> loop_;
  const TicketSeries tickets_;
  std::atomic<uint64_t> submitted_{0};
  std::atomic<bool> started_{false};
  Thread thread_;
};

}  // namespace waferline::runtime
