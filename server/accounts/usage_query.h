// What /v1/organization/usage/completions asks of the tables: posted usage in buckets of time,
// which are half open and begin at whole minutes, hours or days of UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/money/money.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// Columns that results may be split and filtered by.
// Batch: "true" of lines of batches, else "false".
enum class UsageBy : uint8_t { kTenant, kProject, kApiKey, kModel, kTier, kBatch };
inline constexpr int kUsageBys = 6;

struct UsageQuery {
  int64_t start_us = 0;  // inclusive; rounded down to a bucket
  int64_t end_us = 0;    // exclusive; 0: no end
  int64_t width_us = 0;  // a minute, an hour or a day
  int64_t buckets = 7;   // a page
  std::vector<UsageBy> group_by;
  // By column: any of these values; empty: all.
  std::vector<std::string> only[kUsageBys];  // "no-tenant": of a server without keys

  // For a caller who may see its own tenant's alone, which may have used nothing yet.
  void OnlyOfCaller(const std::string& tenant);
  bool tenants_looked_up = true;  // those of `only`
};

struct UsageSums {
  std::string by[kUsageBys];  // those that were grouped by
  int64_t requests = 0, prompt = 0, cached = 0, generated = 0;
  int64_t charge_micro = 0, charge_pico = 0;
};

struct UsageBucket {
  int64_t start_us = 0, end_us = 0;
  std::vector<UsageSums> sums;  // none: nothing was used
};

// What a tenant of a prepaid plan has left, less than zero if it owes, and what of that requests in
// flight hold.
struct PrepaidBalance {
  Money left;
  int64_t held_micro = 0;
};
struct UsageReport {
  std::vector<UsageBucket> buckets;
  std::optional<PrepaidBalance> balance;  // of the only tenant that was asked for
};

// As many buckets as the query says, from its start. NotFound: it names a tenant that there is not,
// nor usage of it.
absl::StatusOr<std::vector<UsageBucket>> QueryUsage(store::Connection& connection,
                                                    const UsageQuery& query);
// The same, with the balance of a tenant whose plan is prepaid at `now_us`, or that has one left.
absl::StatusOr<UsageReport> ReportUsage(store::Connection& connection, const UsageQuery& query,
                                        const billing::PriceBook* prices, int64_t now_us);

}  // namespace waferline::accounts
