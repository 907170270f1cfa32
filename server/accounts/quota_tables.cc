#include "server/accounts/quota_tables.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/account_tables.h"
#include "server/accounts/ledger_tables.h"
#include "server/accounts/names.h"
#include "server/accounts/project_tables.h"
#include "server/billing/transfer.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;
using store::Value;

constexpr int64_t kMaxPaymentsAtOnce = 1000;  // of a tenant, within as many microseconds

Value OrNull(const std::optional<int64_t>& limit) { return limit ? Value(*limit) : Value(); }

// By the ledger, whose payments are found by the order of transfers, or an index.
absl::StatusOr<Money> PaidIn(Connection& connection, const std::string& tenant) {
  const char* const payments = connection.dialect() == store::Dialect::kSqlite
                                   ? "transfer >= 'topup:' AND transfer < 'topup;'"
                                   : "transfer LIKE 'topup:%'";
  WL_ASSIGN_OR_RETURN(
      const Result sums,
      connection.Run(absl::StrCat("SELECT COALESCE(SUM(micro), 0), COALESCE(SUM(pico), 0) FROM "
                                  "entry WHERE account = $1 AND ",
                                  payments),
                     {billing::PrepaidAccount(tenant)}));
  const int64_t pico = IntegerOf(sums.rows[0][1]);
  WL_ASSIGN_OR_RETURN(const Money balance,
                      Money::FromColumns({IntegerOf(sums.rows[0][0]) + pico / 1'000'000,
                                          static_cast<int32_t>(pico % 1'000'000)}));
  return -balance;
}

// What is paid in now (less than zero: back), from cash.
absl::StatusOr<Money> PaymentOf(Connection& connection, const Quota& quota) {
  WL_ASSIGN_OR_RETURN(Money paid, Money::FromColumns({quota.prepaid_micro.value_or(0), 0}));
  WL_ASSIGN_OR_RETURN(const Money before, PaidIn(connection, quota.tenant));
  WL_RETURN_IF_ERROR(paid.Subtract(before));
  return paid;
}

// Named by its instant, or the next one that names no payment yet: a transfer counts once.
absl::Status BookPayment(Connection& connection, const std::string& tenant, Money paid,
                         int64_t now_us) {
  if (paid.IsZero()) return absl::OkStatus();
  for (int64_t at_us = now_us; at_us < now_us + kMaxPaymentsAtOnce; ++at_us) {
    WL_ASSIGN_OR_RETURN(billing::Transfer transfer,
                        billing::TopUpTransfer(absl::StrCat(tenant, ":", at_us), tenant,
                                               paid.IsNegative() ? -paid : paid, now_us));
    if (paid.IsNegative()) transfer = ReversalOf(transfer, now_us);
    WL_ASSIGN_OR_RETURN(const Result before,
                        connection.Run("SELECT 1 FROM entry WHERE transfer = $1", {transfer.id}));
    if (before.rows.empty()) return AddTransfer(connection, transfer);
  }
  return absl::UnavailableError("too many payments within a millisecond; try again");
}

std::optional<int64_t> LimitOf(const Value& value) {
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? std::nullopt : std::optional<int64_t>(*number);
}

// A project may be given by its name.
absl::Status NameProjectsById(Connection& connection, Quota* quota) {
  std::map<std::string, int64_t> by_id;
  for (const auto& [project, thousandths] : quota->shares) {
    WL_ASSIGN_OR_RETURN(std::string id, ProjectIdOf(connection, quota->tenant, project));
    if (!by_id.emplace(std::move(id), thousandths).second) {
      return FieldError("project_shares", absl::StrCat("'", project,
                                                       "' is a project's name, and "
                                                       "its id has a share already"));
    }
  }
  quota->shares = std::move(by_id);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Quota> ChangedQuota(Connection& connection, const QuotaChange& change) {
  WL_RETURN_IF_ERROR(metering::LockSums(connection));
  WL_ASSIGN_OR_RETURN(const std::vector<Quota> all, ListQuotas(connection));
  Quota quota{.tenant = change.tenant};
  for (const Quota& one : all) {
    if (one.tenant == change.tenant) quota = one;
  }
  quota.requests_day = change.requests_day.value_or(quota.requests_day);
  quota.tokens_minute = change.tokens_minute.value_or(quota.tokens_minute);
  quota.concurrent = change.concurrent.value_or(quota.concurrent);
  quota.soft_micro = change.soft_micro.value_or(quota.soft_micro);
  quota.hard_micro = change.hard_micro.value_or(quota.hard_micro);
  if (change.prepaid_micro) quota.prepaid_micro = change.prepaid_micro;
  quota.shares = change.shares.value_or(quota.shares);
  return quota;
}

absl::StatusOr<Quota> SetQuota(Connection& connection, Quota quota, int64_t now_us) {
  WL_RETURN_IF_ERROR(metering::LockSums(connection));
  WL_RETURN_IF_ERROR(NameProjectsById(connection, &quota));
  const bool none = quota == Quota{.tenant = quota.tenant};
  const bool limits = quota != Quota{.tenant = quota.tenant, .prepaid_micro = quota.prepaid_micro};
  WL_ASSIGN_OR_RETURN(const Money paid, PaymentOf(connection, quota));
  const absl::Status usable = NeedTenant(connection, quota.tenant);
  if (limits || paid > Money()) WL_RETURN_IF_ERROR(usable);
  WL_RETURN_IF_ERROR(BookPayment(connection, quota.tenant, paid, now_us));
  WL_RETURN_IF_ERROR(
      connection.Run("DELETE FROM project_share WHERE tenant = $1", {quota.tenant}).status());
  for (const auto& [project, thousandths] : quota.shares) {
    WL_RETURN_IF_ERROR(
        connection
            .Run("INSERT INTO project_share(tenant, project, thousandths) VALUES($1, $2, $3)",
                 {quota.tenant, project, thousandths})
            .status());
  }
  if (none) {
    WL_ASSIGN_OR_RETURN(const Result removed,
                        connection.Run("DELETE FROM quota WHERE tenant = $1", {quota.tenant}));
    if (removed.changed == 0) WL_RETURN_IF_ERROR(usable);  // of a disabled one, if it has any
    WL_RETURN_IF_ERROR(RaiseAccessVersion(connection));
    return quota;
  }
  WL_RETURN_IF_ERROR(
      connection
          .Run("INSERT INTO quota(tenant, requests_day, tokens_minute, concurrent, soft_micro, "
               "hard_micro, prepaid_micro) VALUES($1, $2, $3, $4, $5, $6, $7) ON CONFLICT(tenant) "
               "DO UPDATE SET requests_day = $2, tokens_minute = $3, concurrent = $4, soft_micro "
               "= $5, hard_micro = $6, prepaid_micro = $7",
               {quota.tenant, OrNull(quota.requests_day), OrNull(quota.tokens_minute),
                OrNull(quota.concurrent), OrNull(quota.soft_micro), OrNull(quota.hard_micro),
                OrNull(quota.prepaid_micro)})
          .status());
  WL_RETURN_IF_ERROR(RaiseAccessVersion(connection));
  return quota;
}

absl::StatusOr<std::vector<Quota>> ListQuotas(Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT tenant, requests_day, tokens_minute, concurrent, soft_micro, "
                     "hard_micro, prepaid_micro FROM quota ORDER BY tenant",
                     {}));
  std::vector<Quota> quotas;
  for (const Row& row : found.rows) {
    quotas.push_back({.tenant = TextOf(row[0]),
                      .requests_day = LimitOf(row[1]),
                      .tokens_minute = LimitOf(row[2]),
                      .concurrent = LimitOf(row[3]),
                      .soft_micro = LimitOf(row[4]),
                      .hard_micro = LimitOf(row[5]),
                      .prepaid_micro = LimitOf(row[6]),
                      .shares = {}});
  }
  WL_ASSIGN_OR_RETURN(const Result shares,
                      connection.Run("SELECT tenant, project, thousandths FROM project_share", {}));
  std::map<std::string, Quota*> by_tenant;
  for (Quota& quota : quotas) by_tenant[quota.tenant] = &quota;
  for (const Row& row : shares.rows) {
    const auto quota = by_tenant.find(TextOf(row[0]));
    if (quota != by_tenant.end()) quota->second->shares[TextOf(row[1])] = IntegerOf(row[2]);
  }
  return quotas;
}

absl::StatusOr<std::vector<std::string>> OverSoftLimit(Connection& connection, int64_t period) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT quota.tenant FROM quota JOIN account ON account.tenant = quota.tenant "
                     "WHERE project = '' AND period = $1 AND spent_micro >= soft_micro",
                     {period}));
  std::vector<std::string> tenants;
  for (const Row& row : found.rows) tenants.push_back(TextOf(row[0]));
  return tenants;
}

}  // namespace waferline::accounts
