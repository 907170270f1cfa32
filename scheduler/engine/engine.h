// The scheduler: takes requests through admission, prefill, hand-off and decode of their model's
// lane, one event after the other. Policies decide, the engine alone acts.
//
// Owner: server/app (through scheduler/fleet), scheduler/simulator or a test; it must outlive every
// lease and die before Timeline and devices. Thread: one, the caller's; never blocks, never
// reads a clock. Sinks and observers are called from within its calls and must not call back.
// Bounds: at most `max_sequences` requests at once, waiting ones included; everything inside is
// sized by that. Cost: O(1) a token (BeatAgenda); O(log n) a request, and O(workers + units) to
// route it. Beats of one instant leave in the order in which they entered.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/engine/fault.h"
#include "scheduler/engine/lane.h"
#include "scheduler/engine/observer.h"
#include "scheduler/engine/snapshot.h"
#include "scheduler/request/front_door.h"
#include "scheduler/request/request_name.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::engine {

struct EngineOptions {
  uint32_t max_sequences = 16384;  // < 2^24
  // A full reader: false parks its sequence (and ends it after the lane's grace), emulated time
  // goes on; true stops emulated time until Resume (stepped clock: time must not outrun readers).
  bool hold_time_for_readers = false;
  // Of a lane's workers or units that a request is routed over, this many are looked at one by one:
  // faster than to keep so few in order. Changes no decision.
  size_t unordered_devices = 64;
};

class Engine {
 public:
  // InvalidArgument: names the lane and field of a LaneSpec that cannot work. `observers` outlive
  // the engine and are called in their order.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineOptions& options,
                                                        Timeline* timeline,
                                                        std::vector<LaneSpec> lanes,
                                                        std::vector<EngineObserver*> observers);
  virtual ~Engine() = default;

  // The request arrives now. Its sink is notified of what becomes of it; a refusal may come from
  // within the call.
  virtual void Submit(Ticket ticket, ValidRequest request) = 0;
  // Both harmless for a ticket that is not in flight.
  virtual void Cancel(Ticket ticket) = 0;
  virtual void Resume(Ticket ticket) = 0;

  enum class Pause : uint8_t {
    kIdle,     // nothing is scheduled
    kLimit,    // the next event lies after the limit: see next_instant()
    kBlocked,  // emulated time stands still: a value (or a reader) is awaited. Call again after a
               // Wake or Resume
  };
  // Delivers every event up to and including `limit`. Time stays at the last event delivered: the
  // caller may Timeline::AdvanceTo(limit) on kIdle and kLimit.
  virtual Pause RunUntil(Nanoseconds limit) = 0;
  virtual Nanoseconds next_instant() const = 0;  // only after kLimit

  // Sequences that wait for their full reader (hold_time_for_readers) end as kFailed.
  virtual void GiveUpOnReaders() = 0;

  // Sequences whose deadline lies before `now` end as kDeadline, though emulated time stands still
  // before it. O(in flight).
  virtual void EndOverdue(Nanoseconds now) = 0;

  // From now on every request is refused; those in flight go on.
  virtual void Drain() = 0;
  // Ends a drain: requests are admitted again.
  virtual void EndDrain() = 0;
  // Ends every sequence of this request as kCancelled with this status; gives how many.
  virtual uint32_t Abort(const RequestName& name, const absl::Status& status) = 0;
  // Ends everything in flight as kCancelled with this status.
  virtual void AbortAll(const absl::Status& status) = 0;
  // InvalidArgument if lane, index or factor make no sense; Apply does nothing then.
  virtual absl::Status Check(const Fault& fault) const = 0;
  virtual absl::Status Apply(const Fault& fault) = 0;
  // Gives up every prefix cache's unused blocks.
  virtual void ResetPrefixCaches() = 0;

  virtual uint64_t in_flight() const = 0;  // admitted and not ended
  // Running hash over (kind, instant, ordinal, token index) of everything that was decided and
  // emitted.
  virtual uint64_t digest() const = 0;
  virtual EngineSnapshot Snapshot() const = 0;
  // Checks the laws (conservation, ledgers, queue bounds); a violation fails a check. O(in flight).
  virtual void CheckLaws() const = 0;
};

}  // namespace waferline::engine
