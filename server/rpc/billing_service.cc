#include "server/rpc/billing_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/accounts/billing_text.h"
#include "server/money/decimal.h"
#include "server/money/money.h"
#include "server/rpc/authentication.h"
#include "server/rpc/awaited.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {
namespace {

using accounts::UsageBy;
using accounts::UsageQuery;
using accounts::UsageSums;

constexpr std::chrono::seconds kPatience{10};
constexpr int64_t kMaxBuckets = 1440;
constexpr int64_t kDefaultBuckets = 31;
constexpr int64_t kMaxUnixSeconds = 7'258'118'400;  // the year 2200
constexpr size_t kMaxFilters = 256;

absl::Status Wrong(const std::string& field, const std::string& what) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(field, ": ", what)), field);
}

template <typename Answer, typename Ask>
absl::StatusOr<Answer> AskDatabase(const Ask& ask) {
  return Awaited<absl::StatusOr<Answer>>(ask, kPatience,
                                         "the database has not answered within 10 s");
}

int64_t SecondsOf(v1::BucketWidth width) {
  if (width == v1::BUCKET_WIDTH_MINUTE) return 60;
  return width == v1::BUCKET_WIDTH_HOUR ? 3600 : 24 * 3600;
}

absl::StatusOr<UsageQuery> ReadQuery(const v1::GetUsageRequest& request, int64_t now) {
  const int64_t end = request.end_unix_seconds() == 0 ? now + 1 : request.end_unix_seconds();
  if (request.start_unix_seconds() < 0 || request.start_unix_seconds() > kMaxUnixSeconds) {
    return Wrong("start_unix_seconds", absl::StrCat("must be from 0 to ", kMaxUnixSeconds));
  }
  if (end <= request.start_unix_seconds() || end > kMaxUnixSeconds) {
    return Wrong("end_unix_seconds", "must be after start_unix_seconds, before the year 2200");
  }
  if (!v1::BucketWidth_IsValid(request.width())) return Wrong("width", "is not a BucketWidth");
  if (request.max_buckets() > kMaxBuckets) {
    return Wrong("max_buckets", absl::StrCat("must be at most ", kMaxBuckets));
  }
  if (static_cast<size_t>(request.tenants_size()) > kMaxFilters) {
    return Wrong("tenants", absl::StrCat("must be at most ", kMaxFilters));
  }
  UsageQuery query{.start_us = request.start_unix_seconds() * 1'000'000,
                   .end_us = end * 1'000'000,
                   .width_us = SecondsOf(request.width()) * 1'000'000,
                   .buckets = request.max_buckets() == 0 ? kDefaultBuckets : request.max_buckets(),
                   .group_by = {},
                   .only = {}};
  for (int i = 0; i < request.group_by_size(); ++i) {
    const int group = request.group_by(i);
    if (group == v1::USAGE_GROUP_UNSPECIFIED || !v1::UsageGroup_IsValid(group)) {
      return Wrong(absl::StrCat("group_by[", i, "]"), "is not a UsageGroup");
    }
    const auto by = static_cast<UsageBy>(group - 1);
    const bool repeated =
        std::find(query.group_by.begin(), query.group_by.end(), by) != query.group_by.end();
    if (!repeated) query.group_by.push_back(by);
  }
  for (const std::string& tenant : request.tenants()) {
    query.only[static_cast<size_t>(UsageBy::kTenant)].push_back(tenant);
  }
  return query;
}

void SetResult(const UsageSums& sums, v1::UsageResult* result) {
  const auto by = [&sums](UsageBy which) { return sums.by[static_cast<size_t>(which)]; };
  result->set_tenant(by(UsageBy::kTenant));
  result->set_project(by(UsageBy::kProject));
  result->set_api_key_id(by(UsageBy::kApiKey));
  result->set_model(by(UsageBy::kModel));
  result->set_tier(by(UsageBy::kTier));
  result->set_requests(sums.requests);
  result->set_prompt_tokens(sums.prompt);
  result->set_cached_prompt_tokens(sums.cached);
  result->set_completion_tokens(sums.generated);
  const auto cost = Money::FromColumns({sums.charge_micro, static_cast<int32_t>(sums.charge_pico)});
  if (cost.ok()) result->set_cost_usd(cost->Format());
}

void SetBalance(const accounts::PrepaidBalance& balance, v1::PrepaidBalance* out) {
  out->set_left_usd(balance.left.Format());
  out->set_held_usd(FormatScaled(balance.held_micro, 6, 2));
}

}  // namespace

grpc::Status BillingService::GetUsage(grpc::ServerContext* context,
                                      const v1::GetUsageRequest* request,
                                      v1::GetUsageResponse* response) {
  const auto work = [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const tenancy::Caller caller, AuthorizeUsage(*context, deps_));
    WL_ASSIGN_OR_RETURN(UsageQuery query, ReadQuery(*request, NowSeconds()));
    if (!caller.admin) query.OnlyOfCaller(caller.tenant);
    WL_ASSIGN_OR_RETURN(const accounts::UsageReport report,
                        AskDatabase<accounts::UsageReport>(
                            [&](auto done) { deps_.accounts->Usage(query, std::move(done)); }));
    const std::vector<accounts::UsageBucket>& buckets = report.buckets;
    for (const accounts::UsageBucket& bucket : buckets) {
      v1::UsageBucket* const out = response->add_buckets();
      out->set_start_unix_seconds(bucket.start_us / 1'000'000);
      out->set_end_unix_seconds(bucket.end_us / 1'000'000);
      for (const UsageSums& sums : bucket.sums) SetResult(sums, out->add_results());
    }
    if (report.balance) SetBalance(*report.balance, response->mutable_prepaid_balance());
    if (!buckets.empty() && buckets.back().end_us < query.end_us) {
      response->set_next_start_unix_seconds(buckets.back().end_us / 1'000'000);
    }
    return absl::OkStatus();
  };
  return ToGrpcStatus(work());
}

grpc::Status BillingService::GetInvoice(grpc::ServerContext* context,
                                        const v1::GetInvoiceRequest* request,
                                        v1::GetInvoiceResponse* response) {
  const auto work = [&]() -> absl::Status {
    WL_RETURN_IF_ERROR(AuthorizeAdmin(*context, deps_));
    const absl::StatusOr<Month> month = ParseMonth(request->month());
    if (!month.ok()) return Wrong("month", std::string(month.status().message()));
    WL_ASSIGN_OR_RETURN(const accounts::KeptInvoice kept,
                        AskDatabase<accounts::KeptInvoice>([&](auto done) {
                          deps_.books->Get({request->tenant(), *month}, std::move(done));
                        }));
    response->set_final(kept.state.closed_us != 0);
    response->set_closed_unix_seconds(kept.state.closed_us / 1'000'000);
    response->set_total_usd(FormatCents(kept.state.total));
    response->set_credited_usd(FormatCents(kept.state.credited));
    response->set_invoice_json(kept.text);
    response->set_due_usd(FormatCents(accounts::AmountDue(kept)));
    return absl::OkStatus();
  };
  return ToGrpcStatus(work());
}

grpc::Status BillingService::CreateKey(grpc::ServerContext* context,
                                       const v1::CreateKeyRequest* request,
                                       v1::CreateKeyResponse* response) {
  const auto work = [&]() -> absl::Status {
    WL_RETURN_IF_ERROR(AuthorizeAdmin(*context, deps_));
    if (request->expires_in_seconds() < 0 || request->expires_in_seconds() > kMaxUnixSeconds) {
      return Wrong("expires_in_seconds", absl::StrCat("must be from 0 to ", kMaxUnixSeconds));
    }
    const int64_t lasts = request->expires_in_seconds();
    const accounts::Key wanted{.tenant = request->tenant(),
                               .project = request->project(),
                               .admin = request->admin(),
                               .read_usage = request->read_usage(),
                               .models = {request->models().begin(), request->models().end()},
                               .expires_us = lasts == 0 ? 0 : (NowSeconds() + lasts) * 1'000'000};
    WL_ASSIGN_OR_RETURN(const accounts::NewKey made, AskDatabase<accounts::NewKey>([&](auto done) {
                          deps_.accounts->CreateKey(wanted, std::move(done));
                        }));
    response->set_id(made.key.id);
    response->set_key(made.secret);
    return absl::OkStatus();
  };
  return ToGrpcStatus(work());
}

}  // namespace waferline::rpc
