// What tenants may use, in the tables. Work as account_tables.h says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// Absent: no limit.
struct Quota {
  std::string tenant;
  std::optional<int64_t> requests_day;
  std::optional<int64_t> tokens_minute;
  std::optional<int64_t> concurrent;
  std::optional<int64_t> soft_micro;     // a month; passing it is only reported
  std::optional<int64_t> hard_micro;     // a month
  std::optional<int64_t> prepaid_micro;  // all that was ever paid in
  // By project: the thousandths of these limits, the balance excepted, that it may use.
  std::map<std::string, int64_t> shares;
  bool operator==(const Quota&) const = default;
};

// Replaces the tenant's; without any limit removes it. Gives it as it is kept: with the ids of
// projects that have shares (ProjectIdOf). What is paid in since is booked in the ledger. NotFound:
// no such tenant.
absl::StatusOr<Quota> SetQuota(store::Connection& connection, Quota quota, int64_t now_us);
absl::StatusOr<std::vector<Quota>> ListQuotas(store::Connection& connection);

// Tenants that have spent their soft limit in the month `period` (YYYYMM).
absl::StatusOr<std::vector<std::string>> OverSoftLimit(store::Connection& connection,
                                                       int64_t period);

}  // namespace waferline::accounts
