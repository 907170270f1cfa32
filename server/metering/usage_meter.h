// Where a request's usage is recorded, as its session sees it. This base class records nothing: a
// server without a database.
//
// Thread: any; no call blocks. Law: a record that was opened is posted, withdrawn, or (if the
// process dies) settled by the next server, exactly once whatever is repeated.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "scheduler/request/valid_request.h"
#include "server/metering/usage_record.h"

namespace waferline::metering {

// Runs once: on a thread of the meter's, or for a batch's line within Post, on the caller's. OK: it
// is committed; of a batch's line: it will be, in one transaction with the line's row
// (kept_back.h). ResourceExhausted (of Open): over a hard cap. Unavailable: not known to be
// committed in time; the record is not lost and will be. Other codes: no repetition helps, or the
// server ends.
using Recorded = std::function<void(const absl::Status&)>;

// What a record says, for metrics.
struct PostedCounts {
  UsageCounts tokens;     // the prompt's with one choice of those that share it
  int64_t cost_pico = 0;  // picodollars
};

// The records of one request, one a choice. Owner: its session.
class RequestUsage {
 public:
  virtual ~RequestUsage() = default;

  virtual UsageId id() const = 0;  // of choice 0
  // The engine may get the request only when Open has succeeded: the tenant has a hard cap.
  virtual bool waits() const = 0;

  // First, once. `recorded` is called if the request waits, else it may be null.
  virtual void Open(Recorded recorded) = 0;
  // A choice ended. The client may see its end when `recorded` runs.
  virtual PostedCounts Post(int64_t choice, const Outcome& outcome, Recorded recorded) = 0;
  // The engine never had the choice: there is nothing to record.
  virtual void Withdraw(int64_t choice) = 0;
  // What the choices that were posted cost together, in dollars; "" where answers do not say it.
  virtual std::string CostText() const { return ""; }
};

// A request before it is admitted.
struct UsageRequest {
  UsageSubject subject;
  std::span<const ValidRequest> choices;
  bool capped = false;  // the tenant has a hard cap or a prepaid balance
};

class UsageMeter {
 public:
  virtual ~UsageMeter() = default;

  // Null: nothing is recorded. Unavailable and why: the database is behind or takes nothing.
  virtual absl::StatusOr<std::shared_ptr<RequestUsage>> Admit(const UsageRequest& request) {
    return std::shared_ptr<RequestUsage>();
  }
};

}  // namespace waferline::metering
