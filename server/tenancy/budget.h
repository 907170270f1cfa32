// How much a tenant may use: requests a day and tokens a minute, each refilled continuously
// (a token bucket that starts full). Admission charges what a request may use at most; the end
// settles what it did use.
//
// Owner: server/app. Thread: any. Time is host time, passed in, and must not go backwards by more
// than it is worth. Bounds: one entry a tenant that has a limit; tenants come from the
// configuration.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/units.h"

namespace waferline::tenancy {

struct Limits {
  std::optional<int64_t> requests_day;
  std::optional<int64_t> tokens_minute;
};

// One bucket. A plain value.
class Bucket {
 public:
  // Holds `limit` when full and refills as much in `period`.
  Bucket(int64_t limit, Nanoseconds period, Nanoseconds now)
      : limit_(limit), period_(period), level_(static_cast<double>(limit)), at_(now) {}

  int64_t limit() const { return limit_; }
  int64_t Remaining(Nanoseconds now);
  // Time until `amount` can be taken; 0: now. None: it is more than the bucket ever holds.
  std::optional<Nanoseconds> WaitFor(int64_t amount, Nanoseconds now);
  void Take(int64_t amount, Nanoseconds now);
  void GiveBack(int64_t amount, Nanoseconds now);
  // Time until the bucket is full again.
  Nanoseconds UntilFull(Nanoseconds now);

 private:
  void Refill(Nanoseconds now);

  int64_t limit_;
  Nanoseconds period_;
  double level_;
  Nanoseconds at_;
};

// A refusal; retry_after is 0 where waiting does not help.
struct OverBudget {
  absl::Status status;  // ResourceExhausted
  Nanoseconds retry_after;
};

class Budgets {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // `per_tenant` overrides `everybody`.
  Budgets(Limits everybody, std::map<std::string, Limits, std::less<>> per_tenant);

  // Charges one request and `tokens` (prompt + what it may generate), or says why not; then nothing
  // is charged.
  std::optional<OverBudget> Charge(std::string_view tenant, int64_t tokens, Nanoseconds now);
  // The request is over: `charged` tokens were taken for it, it used `used`.
  void Settle(std::string_view tenant, int64_t charged, int64_t used, Nanoseconds now);

  // x-ratelimit-{limit,remaining,reset}-{requests-day,tokens-minute} for what is limited; resets
  // are in seconds.
  Headers Describe(std::string_view tenant, Nanoseconds now);

 private:
  struct Account {
    std::optional<Bucket> requests;
    std::optional<Bucket> tokens;
  };
  Account& AccountOf(std::string_view tenant, Nanoseconds now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits everybody_;
  const std::map<std::string, Limits, std::less<>> per_tenant_;
  Mutex mutex_;
  std::map<std::string, Account, std::less<>> accounts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::tenancy
