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

// What is to change of a tenant's quota: what is not given stays as it is.
struct QuotaChange {
  using Limit = std::optional<std::optional<int64_t>>;  // given, and empty: no limit any more
  std::string tenant;
  Limit requests_day, tokens_minute, concurrent, soft_micro, hard_micro;
  std::optional<int64_t> prepaid_micro;
  std::optional<std::map<std::string, int64_t>> shares;  // all of them
};
// The quota that it makes of the tenant's, if that has one.
absl::StatusOr<Quota> ChangedQuota(store::Connection& connection, const QuotaChange& change);

// Replaces the tenant's; without any limit removes it. Gives it as it is kept: with the ids of
// projects that have shares (ProjectIdOf). In the ledger the difference to what was paid in is
// booked. NotFound: no such tenant.
absl::StatusOr<Quota> SetQuota(store::Connection& connection, Quota quota, int64_t now_us);
absl::StatusOr<std::vector<Quota>> ListQuotas(store::Connection& connection);

// Tenants that have spent their soft limit in the month `period` (YYYYMM).
absl::StatusOr<std::vector<std::string>> OverSoftLimit(store::Connection& connection,
                                                       int64_t period);

}  // namespace waferline::accounts
