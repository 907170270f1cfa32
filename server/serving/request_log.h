// A line for each choice of a request that ended, for the operator's log: who asked what model, how
// it went, how long it took. Never what was asked or answered. Any thread; does not wait. This one
// logs nothing.
#pragma once

#include "scheduler/request/token_sink.h"
#include "wafer_backend/base/units.h"

namespace waferline::serving {

struct SessionSubject;

class RequestLog {
 public:
  virtual ~RequestLog() = default;
  // `lasted`: host time since the request was here.
  virtual void OnEnd(const SessionSubject& subject, const Outcome& outcome, Nanoseconds lasted) {}
  // All of the request's choices, or one, never began.
  virtual void OnRefused(const SessionSubject& subject, const absl::Status& why,
                         Nanoseconds lasted) {}
};

}  // namespace waferline::serving
