// The JSON of tenants, keys, quotas and usage: bodies and query strings in, answers out. Pure
// functions, any thread. Bodies and queries are strict: an unknown field is an error that names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/accounts/accounts.h"
#include "server/billing/invoice.h"

namespace waferline::http {

// {"name", "plan"?}
struct TenantOrder {
  std::string name;
  std::optional<std::string> plan;
};
absl::StatusOr<TenantOrder> ReadTenant(std::string_view body);
// {"amount_usd", "reason", "id"?}
absl::StatusOr<billing::CreditNote> ReadCredit(std::string_view body);
// {"tenant", "project"?, "admin"?, "read_usage"?, "models"?, "expires_in_s"?}
absl::StatusOr<accounts::Key> ReadKey(std::string_view body, int64_t now_us);
// {"overlap_s"?}: how long the old key goes on; a day if not given, at most 90 days.
absl::StatusOr<Nanoseconds> ReadOverlap(std::string_view body);
// {"tenant", "requests_per_day"?, "tokens_per_minute"?, "concurrent_requests"?,
// "monthly_soft_usd"?, "monthly_hard_usd"?, "prepaid_usd"?, "project_shares"?}; dollars are decimal
// strings of whole microdollars, shares of at most 3 decimals. A field that is not given stays as
// it is; null: no limit.
absl::StatusOr<accounts::QuotaChange> ReadQuota(std::string_view body);

std::string TenantsJson(const std::vector<accounts::Tenant>& tenants);
std::string NewKeyJson(const accounts::NewKey& made);  // with its text
std::string KeysJson(const std::vector<accounts::Key>& keys);
std::string QuotaJson(const accounts::Quota& quota);
std::string QuotasJson(const std::vector<accounts::Quota>& quotas);

// The query of /v1/organization/usage/completions: start_time (required), end_time, bucket_width
// (1m, 1h, 1d), group_by, project_ids, api_key_ids, models, limit, page, batch; of ours, tenants.
// Lists are written name=a&name=b or name[]=a. What is not recorded (user_ids) is refused by name.
absl::StatusOr<accounts::UsageQuery> ReadUsageQuery(std::string_view query, int64_t now_us);
// OpenAI's page of buckets. Ours: exact_usd, what each costs as decimal text; "prepaid_balance":
// {"left_usd", "held_usd"} of the only tenant that was asked for.
std::string UsageJson(const accounts::UsageQuery& query, const accounts::UsageReport& report);

// The same for /v1/organization/costs: days, group_by project_id, line_item (a model), api_key_id;
// of ours, tenant. The API's amount is a number.
absl::StatusOr<accounts::UsageQuery> ReadCostQuery(std::string_view query, int64_t now_us);
std::string CostsJson(const accounts::UsageQuery& query, const accounts::UsageReport& report);

}  // namespace waferline::http
