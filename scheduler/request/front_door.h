// How the front ends reach the engine: a bounded mailbox. Any thread; no call blocks or waits for
// the engine.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "scheduler/request/valid_request.h"

namespace waferline {

// Names a submitted request, refused or not. Never reused in a process.
using Ticket = Id<struct TicketKind, uint64_t>;
// Of what was refused: no request has it.
inline constexpr Ticket kNoTicket{0};

class FrontDoor {
 public:
  virtual ~FrontDoor() = default;

  // Unavailable, with nothing called on the sink, if the mailbox is full or closed (draining);
  // otherwise the sink hears of the request's fate exactly once.
  virtual absl::StatusOr<Ticket> Submit(ValidRequest request) = 0;

  // The client disconnected. Never lost; harmless after the end. The sink still gets its OnOutcome
  // (kCancelled).
  virtual void Cancel(Ticket ticket) = 0;

  // The reader of a sink that said kFull has caught up.
  virtual void Resume(Ticket ticket) = 0;

  // The front end has refused the request with this own arrival: the trace goes on without it.
  // Nothing to do where clients do not time their arrivals.
  virtual void Skip(const OwnArrival& /*own*/) {}
};

}  // namespace waferline
