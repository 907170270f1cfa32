#include "server/metering/usage_tables.h"

#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;
using store::Result;
using store::Row;
using store::Value;

constexpr int64_t kAllTime = 0;
constexpr int64_t kHourUs = 3600LL * 1'000'000;

// A tenant's month, or all its time.
struct Account {
  const std::string& tenant;
  int64_t period;
};

absl::Status MakeAccount(Connection& connection, const Account& account) {
  return connection
      .Run(
          "INSERT INTO account(tenant, period, spent_micro, spent_pico, held_micro) "
          "VALUES($1, $2, 0, 0, 0) ON CONFLICT(tenant, period) DO NOTHING",
          {account.tenant, account.period})
      .status();
}

// False: it would pass the cap.
absl::StatusOr<bool> Hold(Connection& connection, const Account& account, int64_t micro,
                          int64_t cap) {
  WL_RETURN_IF_ERROR(MakeAccount(connection, account));
  WL_ASSIGN_OR_RETURN(
      const Result held,
      connection.Run("UPDATE account SET held_micro = held_micro + $3 WHERE tenant = $1 AND period "
                     "= $2 AND spent_micro + CASE WHEN spent_pico > 0 THEN 1 ELSE 0 END + "
                     "held_micro + $3 <= $4",
                     {account.tenant, account.period, micro, cap}));
  return held.changed == 1;
}

absl::Status Release(Connection& connection, const Account& account, int64_t micro) {
  return connection
      .Run("UPDATE account SET held_micro = held_micro - $3 WHERE tenant = $1 AND period = $2",
           {account.tenant, account.period, micro})
      .status();
}

absl::Status Spend(Connection& connection, const Account& account, const Money::Columns& charge) {
  WL_RETURN_IF_ERROR(MakeAccount(connection, account));
  return connection
      .Run(
          "UPDATE account SET spent_micro = spent_micro + $3 + (spent_pico + $4) / 1000000, "
          "spent_pico = (spent_pico + $4) % 1000000 WHERE tenant = $1 AND period = $2",
          {account.tenant, account.period, charge.micro, int64_t{charge.pico}})
      .status();
}

// Releases what a row held, and adds what it costs, in both of the tenant's accounts.
absl::Status Book(Connection& connection, const OpenUsage& open, int64_t hold_micro,
                  const Money::Columns& charge) {
  for (const int64_t period : {PeriodOf(open.admitted_us), kAllTime}) {
    if (hold_micro > 0) {
      WL_RETURN_IF_ERROR(Release(connection, {open.subject.tenant, period}, hold_micro));
    }
    if (charge != Money::Columns{}) {
      WL_RETURN_IF_ERROR(Spend(connection, {open.subject.tenant, period}, charge));
    }
  }
  return absl::OkStatus();
}

absl::Status OverCap(const char* why) {
  absl::Status status = absl::ResourceExhaustedError(why);
  status.SetPayload(kErrorCodePayload, absl::Cord("insufficient_quota"));
  return status;
}

// ResourceExhausted: nothing is held.
absl::Status HoldWithinCaps(Connection& connection, const OpenUsage& usage) {
  const std::string& tenant = usage.subject.tenant;
  const Account month{tenant, PeriodOf(usage.admitted_us)};
  const int64_t micro = usage.hold_micro * usage.choices;
  WL_ASSIGN_OR_RETURN(
      const Result quota,
      connection.Run("SELECT hard_micro, prepaid_micro FROM quota WHERE tenant = $1", {tenant}));
  constexpr int64_t kNoCap = int64_t{1} << 62;
  const auto cap = [&](size_t column) {
    if (quota.rows.empty()) return kNoCap;
    const auto* micro_cap = std::get_if<int64_t>(&quota.rows[0][column]);
    return micro_cap == nullptr ? kNoCap : *micro_cap;
  };
  WL_ASSIGN_OR_RETURN(const bool this_month, Hold(connection, month, micro, cap(0)));
  if (!this_month) {
    return OverCap(
        "over the hard monthly spend of this tenant: what was spent, what is in flight and the "
        "most that this request may cost are more than that");
  }
  WL_ASSIGN_OR_RETURN(const bool paid, Hold(connection, {tenant, kAllTime}, micro, cap(1)));
  if (paid) return absl::OkStatus();
  WL_RETURN_IF_ERROR(Release(connection, month, micro));
  return OverCap(
      "the prepaid balance of this tenant is too low for the most that this request may cost");
}

std::vector<Value> RowOf(const OpenUsage& open, int64_t choice, const std::string& status,
                         const EndedUsage& end) {
  const UsageSubject& subject = open.subject;
  const Money::Columns charge = end.charge.ToColumns();
  return {open.id.epoch,
          open.id.ordinal,
          choice,
          status,
          end.reason,
          subject.tenant,
          subject.project,
          subject.api_key,
          subject.model,
          subject.tier,
          subject.endpoint,
          subject.request_id,
          open.admitted_us,
          end.ended_us,
          end.counts.prompt,
          end.counts.cached,
          end.counts.generated,
          charge.micro,
          int64_t{charge.pico},
          open.hold_micro};
}

constexpr char kInsert[] =
    "INSERT INTO usage(epoch, ordinal, choice, status, reason, tenant, project, api_key, model, "
    "tier, endpoint, request_id, admitted_us, ended_us, prompt, cached, generated, charge_micro, "
    "charge_pico, hold_micro) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
    "$15, $16, $17, $18, $19, $20) ON CONFLICT(epoch, ordinal, choice) DO NOTHING";

absl::Status AddToHour(Connection& connection, const OpenUsage& open, const EndedUsage& end) {
  const UsageSubject& subject = open.subject;
  const Money::Columns charge = end.charge.ToColumns();
  return connection
      .Run(
          "INSERT INTO usage_hour(hour_us, tenant, project, api_key, model, tier, requests, "
          "prompt, cached, generated, charge_micro, charge_pico) VALUES($1, $2, $3, $4, $5, $6, "
          "1, $7, $8, $9, $10, $11) ON CONFLICT(hour_us, tenant, project, api_key, model, tier) "
          "DO UPDATE SET requests = usage_hour.requests + 1, prompt = usage_hour.prompt + $7, "
          "cached = usage_hour.cached + $8, generated = usage_hour.generated + $9, "
          "charge_micro = usage_hour.charge_micro + $10 + (usage_hour.charge_pico + $11) / "
          "1000000, charge_pico = (usage_hour.charge_pico + $11) % 1000000",
          {end.ended_us - end.ended_us % kHourUs, subject.tenant, subject.project, subject.api_key,
           subject.model, subject.tier, end.counts.prompt, end.counts.cached, end.counts.generated,
           charge.micro, int64_t{charge.pico}})
      .status();
}

}  // namespace

std::string UsageId::Text() const { return absl::StrCat(epoch, ".", ordinal, ".", choice); }

int64_t PeriodOf(int64_t unix_us) {
  const Month month = MonthOf(unix_us);
  return int64_t{month.year} * 100 + month.month;
}

absl::Status Open(Connection& connection, const OpenUsage& usage) {
  if (usage.capped) {
    WL_ASSIGN_OR_RETURN(
        const Result before,
        connection.Run("SELECT 1 FROM usage WHERE epoch = $1 AND ordinal = $2 AND choice = 0",
                       {usage.id.epoch, usage.id.ordinal}));
    if (!before.rows.empty()) return absl::OkStatus();
    WL_RETURN_IF_ERROR(HoldWithinCaps(connection, usage));
  }
  for (int64_t choice = 0; choice < usage.choices; ++choice) {
    WL_RETURN_IF_ERROR(connection.Run(kInsert, RowOf(usage, choice, "open", {})).status());
  }
  return absl::OkStatus();
}

absl::Status Post(Connection& connection, const OpenUsage& open, const EndedUsage& end) {
  const Money::Columns charge = end.charge.ToColumns();
  WL_ASSIGN_OR_RETURN(
      Result updated,
      connection.Run(
          "UPDATE usage SET status = 'posted', reason = $4, ended_us = $5, prompt = $6, cached = "
          "$7, generated = $8, charge_micro = $9, charge_pico = $10 WHERE epoch = $1 AND ordinal "
          "= $2 AND choice = $3 AND status IN ('open', 'interrupted') RETURNING hold_micro",
          {open.id.epoch, open.id.ordinal, open.id.choice, end.reason, end.ended_us,
           end.counts.prompt, end.counts.cached, end.counts.generated, charge.micro,
           int64_t{charge.pico}}));
  int64_t hold_micro = 0;
  if (!updated.rows.empty()) {
    hold_micro = store::IntegerOf(updated.rows[0][0]);
  } else {
    // Never opened, or posted before.
    WL_ASSIGN_OR_RETURN(const Result inserted,
                        connection.Run(kInsert, RowOf(open, open.id.choice, "posted", end)));
    if (inserted.changed == 0) return absl::OkStatus();
  }
  WL_RETURN_IF_ERROR(AddToHour(connection, open, end));
  return Book(connection, open, hold_micro, charge);
}

absl::Status Withdraw(Connection& connection, const OpenUsage& open) {
  WL_ASSIGN_OR_RETURN(const Result deleted,
                      connection.Run("DELETE FROM usage WHERE epoch = $1 AND ordinal = $2 AND "
                                     "choice = $3 AND status = 'open' RETURNING hold_micro",
                                     {open.id.epoch, open.id.ordinal, open.id.choice}));
  if (deleted.rows.empty()) return absl::OkStatus();
  return Book(connection, open, store::IntegerOf(deleted.rows[0][0]), {});
}

absl::StatusOr<int64_t> Settle(Connection& connection, int64_t epoch, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result held,
      connection.Run("SELECT tenant, admitted_us, hold_micro FROM usage WHERE epoch = $1 AND "
                     "status = 'open' AND hold_micro > 0",
                     {epoch}));
  for (const Row& row : held.rows) {
    OpenUsage open;
    open.subject.tenant = store::TextOf(row[0]);
    open.admitted_us = store::IntegerOf(row[1]);
    WL_RETURN_IF_ERROR(Book(connection, open, store::IntegerOf(row[2]), {}));
  }
  WL_ASSIGN_OR_RETURN(
      const Result settled,
      connection.Run("UPDATE usage SET status = 'interrupted', reason = 'server', ended_us = $2, "
                     "hold_micro = 0 WHERE epoch = $1 AND status = 'open'",
                     {epoch, now_us}));
  return settled.changed;
}

}  // namespace waferline::metering
