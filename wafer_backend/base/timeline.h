// Emulated time: an agenda of events in integer nanoseconds, delivered in the order (instant,
// priority, sequence of scheduling). The same calls give the same deliveries, always.
//
// Owner: the code that builds the cloud (server/app, scheduler/simulator, a test). Thread: one, the
// engine's; no I/O, no locks. Cost: O(log n) to schedule and to deliver, an event is 32 bytes. An
// event cannot be taken back: a target that no longer cares compares `payload` with its own state
// (generation numbers) and does nothing. Bounds: the agenda holds what is in flight; each device
// schedules a bounded number of events for each sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// What happens first among events of one instant: the hardware changes, then it hands results over,
// then the scheduler decides, then clients' requests come in.
enum class Priority : uint8_t { kFault, kDevice, kPolicy, kArrival };

class EventTarget {
 public:
  // Time stands still during the call: Timeline::now() is the event's instant.
  virtual void OnEvent(uint64_t payload) = 0;

 protected:
  ~EventTarget() = default;
};

class Timeline {
 public:
  Nanoseconds now() const { return now_; }
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  uint64_t delivered() const { return delivered_; }

  // Instant of the next event. The agenda must not be empty.
  Nanoseconds next_instant() const { return heap_.front().at; }

  // `at` must not lie before now(). `target` must live until the event is delivered or the timeline
  // is destroyed.
  void Schedule(Nanoseconds at, Priority priority, EventTarget* target, uint64_t payload);

  // Moves now() to the next event and delivers it. The agenda must not be empty.
  void DeliverNext();

  // Moves now() forward over empty time; no event may lie before `to`.
  void AdvanceTo(Nanoseconds to) {
    WL_CHECK(to >= now_);
    WL_CHECK(heap_.empty() || heap_.front().at >= to);
    now_ = to;
  }

 private:
  struct Event {
    Nanoseconds at;
    uint64_t order;  // priority in the top 8 bits, then the sequence number
    EventTarget* target;
    uint64_t payload;
    bool Before(const Event& o) const { return at != o.at ? at < o.at : order < o.order; }
  };

  Nanoseconds now_;
  uint64_t sequence_ = 0;
  uint64_t delivered_ = 0;
  std::vector<Event>
      heap_;  // 4-ary min-heap: shallower than a binary one, its children share cache lines
};

}  // namespace waferline
