#include "server/metering/usage_tables.h"

#include <string>

#include "absl/strings/cord.h"
#include "server/metering/usage_rows.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;
using store::Result;
using store::Row;

// A tenant's month, or all its time.
struct Account {
  const std::string& tenant;
  int64_t period;
};

// False: it would pass the cap.
absl::StatusOr<bool> Hold(Connection& connection, const Account& account, int64_t micro,
                          int64_t cap) {
  WL_RETURN_IF_ERROR(
      connection
          .Run("INSERT INTO account(tenant, period, spent_micro, spent_pico, held_micro) "
               "VALUES($1, $2, 0, 0, 0) ON CONFLICT(tenant, period) DO NOTHING",
               {account.tenant, account.period})
          .status());
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

}  // namespace

const store::ManyRows& OpenRows() {
  static const store::ManyRows* const kRows = new store::ManyRows(
      kInsertUsage, kUsageColumns, " ON CONFLICT(epoch, ordinal, choice) DO NOTHING");
  return *kRows;
}

Row UsageRow(const OpenUsage& open, const char* status, const EndedUsage& end) {
  const UsageSubject& subject = open.subject;
  const Money::Columns charge = end.charge.ToColumns();
  const bool is_open = end.reason.empty();
  return {open.id.epoch,
          open.id.ordinal,
          open.id.choice,
          std::string(status),
          end.reason,
          subject.tenant,
          subject.project,
          subject.api_key,
          subject.plan,
          subject.model,
          subject.tier,
          subject.endpoint,
          subject.request_id,
          open.admitted_us,
          end.ended_us,
          end.counts.prompt,
          end.counts.cached,
          end.counts.generated,
          end.compute.system_ns,
          end.compute.accelerator_ns,
          end.compute.microjoules,
          charge.micro,
          int64_t{charge.pico},
          is_open ? open.hold_micro : 0};
}

int64_t PeriodOf(int64_t unix_us) {
  const Month month = MonthOf(unix_us);
  return int64_t{month.year} * 100 + month.month;
}

absl::Status OpenWithHold(Connection& connection, const OpenUsage& usage) {
  WL_ASSIGN_OR_RETURN(
      const Result before,
      connection.Run("SELECT 1 FROM usage WHERE epoch = $1 AND ordinal = $2 AND choice = 0",
                     {usage.id.epoch, usage.id.ordinal}));
  if (!before.rows.empty()) return absl::OkStatus();
  WL_RETURN_IF_ERROR(HoldWithinCaps(connection, usage));
  std::vector<Row> rows;
  OpenUsage one = usage;
  for (one.id.choice = 0; one.id.choice < usage.choices; ++one.id.choice) {
    rows.push_back(UsageRow(one, "open", {}));
  }
  return OpenRows().Run(connection, rows).status();
}

absl::StatusOr<int64_t> Settle(Connection& connection, int64_t epoch, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result held,
      connection.Run("SELECT tenant, admitted_us, hold_micro FROM usage WHERE epoch = $1 AND "
                     "status = 'open' AND hold_micro > 0",
                     {epoch}));
  for (const Row& row : held.rows) {
    const std::string tenant = store::TextOf(row[0]);
    const int64_t micro = store::IntegerOf(row[2]);
    for (const int64_t period : {PeriodOf(store::IntegerOf(row[1])), kAllTime}) {
      WL_RETURN_IF_ERROR(Release(connection, {tenant, period}, micro));
    }
  }
  WL_ASSIGN_OR_RETURN(
      const Result settled,
      connection.Run("UPDATE usage SET status = 'interrupted', reason = 'server', ended_us = $2, "
                     "hold_micro = 0 WHERE epoch = $1 AND status = 'open'",
                     {epoch, now_us}));
  return settled.changed;
}

}  // namespace waferline::metering
