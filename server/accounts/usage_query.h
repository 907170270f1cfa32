// What /v1/organization/usage/completions asks of the tables: posted usage in buckets of time,
// which are half open and begin at whole minutes, hours or days of UTC.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
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

// As many buckets as the query says, from its start. NotFound: it names a tenant that there is not,
// nor usage of it.
absl::StatusOr<std::vector<UsageBucket>> QueryUsage(store::Connection& connection,
                                                    const UsageQuery& query);

}  // namespace waferline::accounts
