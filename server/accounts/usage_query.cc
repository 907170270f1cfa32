#include "server/accounts/usage_query.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/accounts/names.h"
#include "server/billing/prepaid.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using store::IntegerOf;
using store::Result;
using store::Row;
using store::Value;

constexpr const char* kColumns[kUsageBys] = {
    "tenant", "project", "api_key",
    "model",  "tier",    "CASE WHEN tier = 'batch' THEN 'true' ELSE 'false' END"};
constexpr int64_t kHourUs = 3600LL * 1'000'000;

// Hours and days are summed from the hours' table, minutes from the records themselves.
std::string SqlOf(const UsageQuery& query, std::vector<Value>* values) {
  const bool hours = query.width_us >= kHourUs;
  const char* const time = hours ? "hour_us" : "ended_us";
  std::string groups;
  for (const UsageBy by : query.group_by) {
    absl::StrAppend(&groups, ", ", kColumns[static_cast<size_t>(by)]);
  }
  const std::string bucket = absl::StrCat("(", time, " - ", time, " % $3)");
  std::string sql = absl::StrCat(
      "SELECT ", bucket, ", ",
      hours ? "SUM(requests)" : "SUM(CASE WHEN choice = 0 THEN 1 ELSE 0 END)",
      ", SUM(prompt), SUM(cached), SUM(generated), SUM(charge_micro), SUM(charge_pico)", groups,
      " FROM ", hours ? "usage_hour" : "usage", " WHERE ", time, " >= $1 AND ", time, " < $2");
  if (!hours) absl::StrAppend(&sql, " AND status = 'posted'");
  for (size_t column = 0; column < kUsageBys; ++column) {
    std::vector<std::string> places;
    for (const std::string& value : query.only[column]) {
      const bool none = column == static_cast<size_t>(UsageBy::kTenant) && value == kNoTenant;
      values->emplace_back(none ? "" : value);
      places.push_back(absl::StrCat("$", values->size()));
    }
    if (places.empty()) continue;
    absl::StrAppend(&sql, " AND ", kColumns[column], " IN (", absl::StrJoin(places, ", "), ")");
  }
  absl::StrAppend(&sql, " GROUP BY ", bucket, groups, " ORDER BY 1", groups);
  return sql;
}

UsageSums SumsOf(const UsageQuery& query, const Row& row) {
  UsageSums sums{.requests = IntegerOf(row[1]),
                 .prompt = IntegerOf(row[2]),
                 .cached = IntegerOf(row[3]),
                 .generated = IntegerOf(row[4]),
                 .charge_micro = IntegerOf(row[5]) + IntegerOf(row[6]) / 1'000'000,
                 .charge_pico = IntegerOf(row[6]) % 1'000'000};
  for (size_t i = 0; i < query.group_by.size(); ++i) {
    sums.by[static_cast<size_t>(query.group_by[i])] = store::TextOf(row[7 + i]);
  }
  return sums;
}

// A mistyped name would else look like a tenant that used nothing.
absl::Status LookUpTenants(store::Connection& connection, const UsageQuery& query) {
  for (const std::string& tenant : query.only[static_cast<size_t>(UsageBy::kTenant)]) {
    if (tenant == kNoTenant) continue;
    WL_ASSIGN_OR_RETURN(
        const Result found,
        connection.Run("SELECT 1 FROM tenant WHERE name = $1 UNION ALL SELECT 1 FROM usage_hour "
                       "WHERE tenant = $1 LIMIT 1",
                       {tenant}));
    if (!found.rows.empty()) continue;
    return absl::NotFoundError(absl::StrCat("there is no tenant '", tenant, "', nor usage of it"));
  }
  return absl::OkStatus();
}

}  // namespace

void UsageQuery::OnlyOfCaller(const std::string& tenant) {
  only[static_cast<size_t>(UsageBy::kTenant)] = {tenant};
  tenants_looked_up = false;
}

absl::StatusOr<std::vector<UsageBucket>> QueryUsage(store::Connection& connection,
                                                    const UsageQuery& query) {
  if (query.tenants_looked_up) WL_RETURN_IF_ERROR(LookUpTenants(connection, query));
  const int64_t start = query.start_us - query.start_us % query.width_us;
  const int64_t page_end = start + query.buckets * query.width_us;
  const int64_t end = query.end_us == 0 ? page_end : std::min(query.end_us, page_end);
  std::vector<UsageBucket> buckets;
  for (int64_t at = start; at < end; at += query.width_us) {
    buckets.push_back({.start_us = at, .end_us = at + query.width_us, .sums = {}});
  }
  std::vector<Value> values = {start, end, query.width_us};
  const std::string sql = SqlOf(query, &values);
  WL_ASSIGN_OR_RETURN(const Result found, connection.Run(sql, values));
  for (const Row& row : found.rows) {
    const auto index = static_cast<size_t>((IntegerOf(row[0]) - start) / query.width_us);
    if (index < buckets.size()) buckets[index].sums.push_back(SumsOf(query, row));
  }
  return buckets;
}

absl::StatusOr<UsageReport> ReportUsage(store::Connection& connection, const UsageQuery& query,
                                        const billing::PriceBook* prices, int64_t now_us) {
  UsageReport report;
  WL_ASSIGN_OR_RETURN(report.buckets, QueryUsage(connection, query));
  const std::vector<std::string>& tenants = query.only[static_cast<size_t>(UsageBy::kTenant)];
  if (tenants.size() != 1) return report;
  WL_ASSIGN_OR_RETURN(const Result tenant,
                      connection.Run("SELECT plan FROM tenant WHERE name = $1", {tenants.front()}));
  if (tenant.rows.empty()) return report;
  WL_ASSIGN_OR_RETURN(const metering::AccountState balance,
                      metering::ReadAccount(connection, {.tenant = tenants.front()}));
  const bool prepaid = billing::IsPrepaid(prices, store::TextOf(tenant.rows[0][0]), now_us);
  if (prepaid || !balance.spent.IsZero()) {
    report.balance = {.left = -balance.spent, .held_micro = balance.held_micro};
  }
  return report;
}

}  // namespace waferline::accounts
