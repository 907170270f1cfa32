#include "server/metering/usage_tables.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "server/metering/usage_rows.h"
#include "server/money/decimal.h"
#include "server/money/money.h"
#include "server/money/proportion.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;

// The number is ours among the advisory locks of a database.
const std::string kTakeSums = "SELECT pg_advisory_xact_lock(7341297)";

constexpr int64_t kWhole = 1000;  // thousandths of a share

// False: it would pass the cap.
absl::StatusOr<bool> Hold(Connection& connection, const AccountKey& account, int64_t micro,
                          int64_t cap) {
  WL_RETURN_IF_ERROR(
      connection
          .Run("INSERT INTO account(tenant, project, period, spent_micro, spent_pico, held_micro) "
               "VALUES($1, $2, $3, 0, 0, 0) ON CONFLICT(tenant, project, period) DO NOTHING",
               {account.tenant, account.project, account.period})
          .status());
  WL_ASSIGN_OR_RETURN(
      const Result held,
      connection.Run(
          "UPDATE account SET held_micro = held_micro + $4 WHERE tenant = $1 AND project "
          "= $2 AND period = $3 AND spent_micro + CASE WHEN spent_pico > 0 THEN 1 ELSE 0 "
          "END + held_micro + $4 <= $5",
          {account.tenant, account.project, account.period, micro, cap}));
  return held.changed == 1;
}

absl::Status Release(Connection& connection, const AccountKey& account, int64_t micro) {
  return connection
      .Run(
          "UPDATE account SET held_micro = held_micro - $4 WHERE tenant = $1 AND project = $2 AND "
          "period = $3",
          {account.tenant, account.project, account.period, micro})
      .status();
}

struct Cap {
  AccountKey account;
  int64_t micro;
  const char* why;
};

std::string Usd(int64_t micro) { return FormatScaled(micro, 6, 2); }

// How many tokens may be asked for with so much left for a choice, whose cost grows at most evenly
// with them; both sums are rounded up.
int64_t TokensWithin(int64_t left_micro, const OpenUsage& usage) {
  const int64_t room = left_micro - usage.prompt_micro;
  if (room <= 0) return 0;
  return ProportionDown(room, usage.max_tokens, usage.hold_micro - usage.prompt_micro + 1);
}

// ResourceExhausted, with what is spent, held and asked for, and what would fit; else what is wrong
// with the database.
absl::Status OverCap(Connection& connection, const Cap& cap, const OpenUsage& usage) {
  WL_ASSIGN_OR_RETURN(const AccountState now, ReadAccount(connection, cap.account));
  const std::string state =
      cap.account.period == kBalance
          ? absl::StrCat((-now.spent).Format(), " USD are left, ")
          : absl::StrCat("of ", Usd(cap.micro), " USD, ", now.spent.Format(), " are spent, ");
  const int64_t left = cap.micro - MicroRoundedUp(now.spent) - now.held_micro;
  const int64_t fits = TokensWithin(left / usage.choices, usage);
  const std::string way_out =
      fits > 0 ? absl::StrCat("it fits with a max_tokens of ", fits, " or less")
               : absl::StrCat("no max_tokens is small enough: ",
                              now.held_micro > 0 ? "wait for those in flight, " : "",
                              "send a shorter prompt, or have the ",
                              cap.account.period == kBalance ? "balance" : "limit", " raised");
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat(cap.why, ": ", state, Usd(now.held_micro),
                   " held by requests in flight, and this one may cost up to ",
                   Usd(usage.hold_micro * usage.choices), ": ", way_out));
  status.SetPayload(kErrorCodePayload, absl::Cord("insufficient_quota"));
  return status;
}

// What limits the tenant's requests now; accounts without a cap keep holds too, for one that comes.
absl::StatusOr<std::vector<Cap>> CapsOf(Connection& connection, const OpenUsage& usage,
                                        bool prepaid) {
  const UsageSubject& subject = usage.subject;
  WL_ASSIGN_OR_RETURN(
      const Result quota,
      connection.Run("SELECT hard_micro, thousandths FROM quota LEFT JOIN "
                     "project_share ON project_share.tenant = quota.tenant AND project = $2 WHERE "
                     "quota.tenant = $1",
                     {subject.tenant, subject.project}));
  constexpr int64_t kNoCap = int64_t{1} << 62;
  const auto number = [&](size_t column, int64_t otherwise) {
    if (quota.rows.empty()) return otherwise;
    const auto* given = std::get_if<int64_t>(&quota.rows[0][column]);
    return given == nullptr ? otherwise : *given;
  };
  const int64_t hard = number(0, kNoCap), share = number(1, kWhole);
  std::vector<Cap> caps;
  for (AccountKey& account : AccountsOf(subject, usage.admitted_us)) {
    if (!account.project.empty()) {
      const int64_t part = hard / kWhole * share + hard % kWhole * share / kWhole;
      caps.push_back({std::move(account), hard == kNoCap ? kNoCap : part,
                      "over this project's share of the tenant's hard monthly spend"});
    } else if (account.period != kBalance) {
      caps.push_back({std::move(account), hard, "over the hard monthly spend of this tenant"});
    } else {
      caps.push_back(
          {std::move(account), prepaid ? 0 : kNoCap,
           "the prepaid balance of this tenant is too low for the most that this request "
           "may cost"});
    }
  }
  return caps;
}

// ResourceExhausted: nothing is held.
absl::Status HoldWithinCaps(Connection& connection, const OpenUsage& usage, bool prepaid) {
  WL_ASSIGN_OR_RETURN(const std::vector<Cap> caps, CapsOf(connection, usage, prepaid));
  const int64_t micro = usage.hold_micro * usage.choices;
  for (size_t i = 0; i < caps.size(); ++i) {
    WL_ASSIGN_OR_RETURN(const bool held, Hold(connection, caps[i].account, micro, caps[i].micro));
    if (held) continue;
    for (size_t before = 0; before < i; ++before) {
      WL_RETURN_IF_ERROR(Release(connection, caps[before].account, micro));
    }
    return OverCap(connection, caps[i], usage);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AccountState> ReadAccount(Connection& connection, const AccountKey& account) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT spent_micro, spent_pico, held_micro FROM account WHERE tenant = $1 "
                     "AND project = $2 AND period = $3",
                     {account.tenant, account.project, account.period}));
  if (found.rows.empty()) return AccountState();
  const Row& row = found.rows[0];
  WL_ASSIGN_OR_RETURN(
      const Money spent,
      Money::FromColumns({IntegerOf(row[0]), static_cast<int32_t>(IntegerOf(row[1]))}));
  return AccountState{spent, IntegerOf(row[2])};
}

const store::ManyRows& AccountRows() {
  static const store::ManyRows* const kRows = new store::ManyRows(
      "INSERT INTO account(tenant, project, period, spent_micro, spent_pico, held_micro)", 6,
      " ON CONFLICT(tenant, project, period) DO UPDATE SET spent_micro = account.spent_micro + "
      "excluded.spent_micro + (account.spent_pico + excluded.spent_pico) / 1000000, spent_pico = "
      "(account.spent_pico + excluded.spent_pico) % 1000000, held_micro = account.held_micro - "
      "excluded.held_micro");
  return *kRows;
}

absl::Status AddToBalance(Connection& connection, const std::string& tenant, Money debit) {
  WL_RETURN_IF_ERROR(LockSums(connection));
  const Money::Columns columns = debit.ToColumns();
  return AccountRows()
      .Run(connection, {{tenant, "", kBalance, columns.micro, int64_t{columns.pico}, int64_t{0}}})
      .status();
}

const std::string kShareSums = "SELECT pg_advisory_xact_lock_shared(7341297)";

absl::Status LockSums(Connection& connection) {
  if (connection.dialect() != store::Dialect::kPostgres) return absl::OkStatus();
  return connection.Run(kTakeSums, {}).status();
}

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
          subject.asked,
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
          is_open ? open.hold_micro : 0,
          0};
}

int64_t PeriodOf(int64_t unix_us) {
  const Month month = MonthOf(unix_us);
  return int64_t{month.year} * 100 + month.month;
}

std::vector<AccountKey> AccountsOf(const UsageSubject& subject, int64_t admitted_us) {
  const int64_t month = PeriodOf(admitted_us);
  std::vector<AccountKey> accounts = {{subject.tenant, "", month}, {subject.tenant, "", kBalance}};
  if (!subject.project.empty()) accounts.push_back({subject.tenant, subject.project, month});
  return accounts;
}

absl::Status OpenWithHold(Connection& connection, const OpenUsage& usage, bool prepaid) {
  WL_ASSIGN_OR_RETURN(
      const Result before,
      connection.Run("SELECT 1 FROM usage WHERE epoch = $1 AND ordinal = $2 AND choice = 0",
                     {usage.id.epoch, usage.id.ordinal}));
  if (!before.rows.empty()) return absl::OkStatus();
  WL_RETURN_IF_ERROR(LockSums(connection));
  WL_RETURN_IF_ERROR(HoldWithinCaps(connection, usage, prepaid));
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
      connection.Run("SELECT tenant, project, admitted_us, hold_micro FROM usage WHERE epoch = $1 "
                     "AND status = 'open' AND hold_micro > 0",
                     {epoch}));
  if (!held.rows.empty()) WL_RETURN_IF_ERROR(LockSums(connection));
  for (const Row& row : held.rows) {
    const UsageSubject subject{.tenant = store::TextOf(row[0]), .project = store::TextOf(row[1])};
    for (const AccountKey& account : AccountsOf(subject, store::IntegerOf(row[2]))) {
      WL_RETURN_IF_ERROR(Release(connection, account, store::IntegerOf(row[3])));
    }
  }
  WL_ASSIGN_OR_RETURN(
      const Result settled,
      connection.Run("UPDATE usage SET status = 'interrupted', reason = 'server', ended_us = $2, "
                     "hold_micro = 0 WHERE epoch = $1 AND status = 'open'",
                     {epoch, now_us}));
  return settled.changed;
}

absl::StatusOr<int64_t> SettleEnded(Connection& connection, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result left,
      connection.Run("SELECT DISTINCT usage.epoch FROM usage JOIN epoch ON epoch.id = usage.epoch "
                     "WHERE usage.status = 'open' AND epoch.ended_us > 0",
                     {}));
  int64_t settled = 0;
  for (const Row& row : left.rows) {
    WL_ASSIGN_OR_RETURN(const int64_t of_one, Settle(connection, IntegerOf(row[0]), now_us));
    settled += of_one;
  }
  return settled;
}

}  // namespace waferline::metering
