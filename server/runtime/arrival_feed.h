// Arrivals that clients time themselves (stepped clock): puts the numbered requests of a trace in
// order and hands each to the engine at its instant, however late and in whatever order they come
// on the wall clock, so that a trace gives the schedule that it gives offline.
//
// Emulated time may run up to frontier(): the arrival of the last request before which no number is
// missing. Later ones cannot lie before it, so nothing that runs until there can be untimely. One
// trace at a time; what breaks the order is refused and says why, by its sink.
//
// Owner and thread: the engine's thread. Bound: `held` requests ahead of their instants; one more
// is refused as Unavailable and may be sent again, under the same number.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "server/runtime/inbox.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::runtime {

class ArrivalFeed : private EventTarget {
 public:
  struct Bounds {
    size_t held = 4096;
    Nanoseconds grace = Seconds(30);  // wall: how long time stands still for a missing number
  };
  // `deliver` is called at a request's instant, from within the timeline.
  ArrivalFeed(const Bounds& bounds, Timeline* timeline,
              std::function<void(Inbox::Submitted)> deliver)
      : bounds_(bounds), timeline_(timeline), deliver_(std::move(deliver)) {}

  // `request` has an own_arrival. Without a ticket it was refused already, and only its number
  // counts.
  void Take(Inbox::Submitted request);
  // False: no such request is here.
  bool Cancel(Ticket ticket);
  // Refuses those of this name; gives how many.
  uint32_t Abort(const RequestName& name, const absl::Status& why);

  bool open() const { return open_; }  // numbers are still to come
  Nanoseconds frontier() const { return frontier_; }
  // Emulated time stands at the frontier, at this moment of the wall clock: a number that does not
  // come within the grace is given up, and its trace with it.
  void StandStill(int64_t wall_ns);
  // Refuses everything that has not arrived.
  void Close(const absl::Status& why);

 private:
  void Open();
  absl::Status Check(const OwnArrival& own) const;
  void Enqueue(Inbox::Submitted request);  // the next number
  void ScheduleFront();
  template <typename Named>
  uint32_t RefuseThose(const Named& named, const absl::Status& why);
  void OnEvent(uint64_t generation) override;

  const Bounds bounds_;
  Timeline* const timeline_;
  const std::function<void(Inbox::Submitted)> deliver_;

  bool open_ = false;
  Nanoseconds begin_;
  Nanoseconds frontier_;
  uint64_t next_ = 0;  // the first number that is missing
  std::optional<uint64_t> last_;
  std::map<uint64_t, Inbox::Submitted> early_;  // numbers above a missing one
  std::deque<Inbox::Submitted> waiting_;        // in order, before their instants
  uint64_t generation_ = 0;                     // of the event for the front
  std::optional<int64_t> still_since_ns_;
};

}  // namespace waferline::runtime
