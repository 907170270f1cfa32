#include "server/accounts/quota_rules.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/names.h"
#include "server/billing/prepaid.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {

using store::Connection;
using store::Result;

absl::Status CheckNeedsNoPrices(const QuotaChange& change) {
  constexpr std::optional<int64_t> kNone;
  for (const auto& [field, given] :
       {std::pair{"monthly_soft_usd", change.soft_micro.value_or(kNone)},
        {"monthly_hard_usd", change.hard_micro.value_or(kNone)},
        {"prepaid_usd", change.prepaid_micro}}) {
    if (!given) continue;
    return FieldError(
        field,
        "needs prices, without which nothing is charged: configure 'billing: {prices: "
        "FILE}'");
  }
  return absl::OkStatus();
}

absl::Status CheckQuota(const Quota& quota) {
  if (quota.soft_micro && quota.hard_micro && *quota.soft_micro > *quota.hard_micro) {
    return FieldError("monthly_soft_usd",
                      "is more than monthly_hard_usd, so it could never be reached");
  }
  const bool limited =
      quota.requests_day || quota.tokens_minute || quota.concurrent || quota.hard_micro;
  for (const auto& [project, share] : quota.shares) {
    WL_RETURN_IF_ERROR(CheckName("project_shares", project, false));
    if (limited) continue;
    return FieldError("project_shares",
                      "are shares of requests_per_day, tokens_per_minute, concurrent_requests or "
                      "monthly_hard_usd: give one of them");
  }
  return absl::OkStatus();
}

absl::Status CheckPaysInAdvance(Connection& connection, const QuotaChange& change,
                                const billing::PriceBook* prices, int64_t now_us) {
  const std::string& tenant = change.tenant;
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT plan, COALESCE(prepaid_micro, 0) FROM tenant LEFT JOIN "
                     "quota ON quota.tenant = name WHERE name = $1",
                     {tenant}));
  if (found.rows.empty() || !change.prepaid_micro) return absl::OkStatus();
  if (*change.prepaid_micro <= store::IntegerOf(found.rows[0][1])) return absl::OkStatus();
  const std::string plan = store::TextOf(found.rows[0][0]);
  if (billing::IsPrepaid(prices, plan, now_us)) return absl::OkStatus();
  return FieldError(
      "prepaid_usd",
      absl::StrCat("is used by prepaid plans alone, and the tenant '", tenant, "' has ",
                   plan.empty() ? "no plan" : absl::StrCat("the plan '", plan, "'"),
                   ": give it one first, by 'waferctl tenants add ", tenant, " --plan PLAN'"));
}

}  // namespace waferline::accounts
