// Decides which driver owns a worker, so that no two do and pages of an old job never reach a new
// owner's slots. Looks at no clock: whether the owner lives is whether its link does.
//
// Among drivers of elected cells the larger fence (epoch, then generation) wins, also over a living
// owner. Drivers without an election (epoch 0) cannot be ordered: the living owner keeps the worker
// until its link is closed. One driver's own fences are always ordered.
//
// Owner: the worker's server; thread: one. The largest fence is remembered as long as the process
// lives.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "wafer_backend/membership/credentials.h"

namespace waferline::membership {

class OwnerGate {
 public:
  // `role`: what is owned, for messages: "shard".
  explicit OwnerGate(std::string role) : role_(std::move(role)) {}

  // Whether this driver may own the worker now. FailedPrecondition: its fence is over, which it
  // stays. AlreadyExists: another driver owns the worker and lives.
  absl::Status CheckDriver(const Credentials& theirs) const;
  // The driver that was checked owns the worker from now on, whatever was before.
  void OnDriver(const Credentials& theirs);
  // Its link is closed: the worker is free, and smaller fences stay refused.
  void OnDriverGone() { owned_ = false; }

  // Whether a peer works for the same driver with the same fence. Unavailable if not: the driver
  // that both work for may be on its way.
  absl::Status CheckPeer(const Credentials& theirs) const;

  // The last owner's; default values before the first.
  const Credentials& last() const { return last_; }
  bool owned() const { return owned_; }

 private:
  const std::string role_;
  Credentials last_;
  bool owned_ = false;
};

}  // namespace waferline::membership
