// Where the members of a cloud find each other. What a process wants to be is stated once and kept
// true by the registry: a lost lease is taken again, a lost election is stood for again. What is
// true is read from snapshots.
//
// A registry that cannot be reached freezes what is known; it ends no process and no link.
//
// Owner: server/app. Thread: any; sinks are called on a thread of the registry's or in Watch, one
// call at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/membership/membership.h"

namespace waferline::membership {

class Registry {
 public:
  using Sink = std::function<void(std::shared_ptr<const Snapshot>)>;
  virtual ~Registry() = default;

  // Keeps this worker listed from now on, until Withdraw or the end of this. The lease that lists
  // it ends when this process does not renew it in time.
  virtual void Announce(const Worker& worker) = 0;
  // Stands for the leadership of `cell` from now on; won when a snapshot's leader of that cell has
  // this id. A leadership that was lost is stood for again and then has a larger epoch.
  virtual void Campaign(const std::string& cell, const Leader& leader) = 0;
  // Ends both, at once if the registry can be reached.
  virtual void Withdraw() = 0;

  // Takes a free worker for a cell whose leadership `epoch` is this process's. FailedPrecondition:
  // another cell has it, it has another incarnation by now, or the leadership is over; Unavailable:
  // the registry could not be reached in time. May wait for about a second.
  struct Claimed {
    std::string cell;
    uint64_t epoch = 0;
  };
  virtual absl::Status Take(const Worker& worker, const Claimed& by) = 0;
  virtual absl::Status Release(const std::string& worker, const Claimed& by) = 0;

  // `sink` gets what is known now, if anything is, and each later snapshot. One sink, the last one
  // given; null: none.
  virtual void Watch(Sink sink) = 0;
  // The last snapshot; null if none came yet.
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
  // Host time since the registry last answered, or since the start.
  virtual Nanoseconds age() const = 0;
  // Why it cannot be reached; OK if it can.
  virtual absl::Status status() const = 0;
};

}  // namespace waferline::membership
