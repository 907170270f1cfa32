// Budgets: how many requests a day and tokens a minute a tenant may use, each refilled continuously
// (a token bucket that starts full). Charge takes the most that a request may use before the engine
// sees it; Settle returns what it did not use.
//
// Owner: server/app. Thread: any. Limits hold for this process. `now` is monotonic host time,
// passed in; a call with an earlier time than the last refills nothing. Bounds: one account for
// each tenant that asks; tenants come from the configuration.
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

// Absent: no limit.
struct TenantLimits {
  std::optional<int64_t> requests_day;
  std::optional<int64_t> tokens_minute;
  std::optional<int64_t> concurrent = std::nullopt;  // requests in flight
  bool operator==(const TenantLimits&) const = default;
};
using LimitsByTenant = std::map<std::string, TenantLimits, std::less<>>;
// By (tenant, project): the thousandths of its tenant's limits that a project may use.
using SharesByProject = std::map<std::pair<std::string, std::string>, int64_t>;

// A token bucket. A value; one thread at a time.
class Bucket {
 public:
  // Holds at most `limit` and refills that much in `period`. Starts full.
  Bucket(int64_t limit, Nanoseconds period, Nanoseconds now)
      : limit_(limit), period_(period), level_(static_cast<double>(limit)), at_(now) {}

  int64_t limit() const { return limit_; }
  int64_t Remaining(Nanoseconds now);
  // Time until `amount` can be taken; 0: now. Nothing if the bucket never holds that much.
  std::optional<Nanoseconds> WaitFor(int64_t amount, Nanoseconds now);
  // May leave the level below 0; WaitFor then covers the debt.
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

// A refusal. `retry_after` is 0 where waiting does not help.
struct OverBudget {
  absl::Status status;  // ResourceExhausted
  Nanoseconds retry_after;
};

class Budgets {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // `limits` apply to tenants that `per_tenant` does not name.
  Budgets(TenantLimits limits, LimitsByTenant per_tenant);

  // From now on these tenants have these limits, and these projects so much of them (at least 1 of
  // each). Whose limits change starts with full buckets.
  void SetLimits(LimitsByTenant per_tenant, SharesByProject shares = {});
  // Tenants whose answers say that their soft monthly limit is passed.
  void SetOverSoftLimit(std::vector<std::string> tenants);

  struct Payer {
    std::string_view tenant;
    std::string_view project = "";
  };
  // Charges one request and `tokens` (its prompt and all that it may generate) to the tenant, and
  // to its project where that has a share. If it is refused, nothing is charged.
  std::optional<OverBudget> Charge(Payer payer, int64_t tokens, Nanoseconds now);
  struct Tokens {
    int64_t charged = 0;
    int64_t used = 0;
  };
  // At a request's end: returns what it did not use. Once for each Charge.
  void Settle(Payer payer, Tokens tokens, Nanoseconds now);

  // x-ratelimit-{limit,remaining,reset}-{requests-day,tokens-minute} for each limit that the tenant
  // has; resets are in seconds. Over its soft monthly limit also x-waferline-spend:
  // over-soft-limit.
  Headers Describe(std::string_view tenant, Nanoseconds now);

 private:
  struct Account {  // an empty bucket: no limit
    std::optional<Bucket> requests;
    std::optional<Bucket> tokens;
    TenantLimits limits;
    int64_t in_flight = 0;
  };
  static void Refresh(Account& account, const TenantLimits& limits, Nanoseconds now);
  // Why not, or takes it.
  static std::optional<OverBudget> Take(Account& account, int64_t tokens, Nanoseconds now);
  const TenantLimits& LimitsOf(std::string_view tenant) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Account& AccountOf(std::string_view tenant, Nanoseconds now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null: the project has no share of its own.
  Account* ProjectAccountOf(Payer payer, Nanoseconds now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TenantLimits limits_;
  Mutex mutex_;
  LimitsByTenant per_tenant_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> over_soft_limit_ ABSL_GUARDED_BY(mutex_);
  SharesByProject shares_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Account, std::less<>> accounts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, Account> projects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::tenancy
