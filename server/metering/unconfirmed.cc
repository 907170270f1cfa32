// Answers that a dead server had recorded and perhaps not sent (usage_tables.h).
#include <string>

#include "absl/strings/str_cat.h"
#include "server/billing/prepaid.h"
#include "server/billing/transfer.h"
#include "server/metering/answered_set.h"
#include "server/metering/kept_back.h"
#include "server/metering/usage_rows.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;
using store::Value;

// Takes `row`'s charge out of the sums of its hour and its tenant's accounts, the balance excepted.
absl::Status TakeBack(Connection& connection, const Row& row) {
  const int64_t micro = IntegerOf(row[10]), pico = IntegerOf(row[11]), ended_us = IntegerOf(row[9]);
  WL_RETURN_IF_ERROR(
      connection
          .Run("UPDATE usage_hour SET requests = requests - $12, records = records - 1, prompt = "
               "prompt - $7, cached = "
               "cached "
               "- $8, generated = generated - $9, charge_micro = charge_micro - $10 - CASE WHEN "
               "charge_pico < $11 THEN 1 ELSE 0 END, charge_pico = (charge_pico + 1000000 - $11) % "
               "1000000 WHERE hour_us = $1 AND tenant = $2 AND project = $3 AND api_key = $4 AND "
               "model = $5 AND tier = $6",
               {ended_us - ended_us % kMicrosecondsPerHour, row[2], row[3], row[4], row[5], row[6],
                row[12], row[13], row[14], micro, pico, int64_t{IntegerOf(row[1]) == 0}})
          .status());
  WL_RETURN_IF_ERROR(connection
                         .Run("DELETE FROM usage_hour WHERE hour_us = $1 AND records = 0",
                              {ended_us - ended_us % kMicrosecondsPerHour})
                         .status());
  const UsageSubject subject{.tenant = TextOf(row[2]), .project = TextOf(row[3])};
  for (const AccountKey& account : AccountsOf(subject, IntegerOf(row[8]))) {
    if (account.period == kBalance) continue;
    WL_RETURN_IF_ERROR(
        connection
            .Run("UPDATE account SET spent_micro = spent_micro - $4 - CASE WHEN spent_pico < $5 "
                 "THEN 1 ELSE 0 END, spent_pico = (spent_pico + 1000000 - $5) % 1000000 WHERE "
                 "tenant = $1 AND project = $2 AND period = $3",
                 {account.tenant, account.project, account.period, micro, pico})
            .status());
  }
  return absl::OkStatus();
}

// The record's transfer again, with the other sign. False: it has none.
absl::StatusOr<bool> Reverse(Connection& connection, const std::string& transfer, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result entries,
      connection.Run("SELECT line, account, micro, pico FROM entry WHERE transfer = $1",
                     {transfer}));
  for (const Row& entry : entries.rows) {
    WL_ASSIGN_OR_RETURN(
        const Money amount,
        Money::FromColumns({IntegerOf(entry[2]), static_cast<int32_t>(IntegerOf(entry[3]))}));
    const Money::Columns back = (-amount).ToColumns();
    WL_RETURN_IF_ERROR(
        connection
            .Run("INSERT INTO entry(transfer, line, account, micro, pico, at_us) VALUES($1, $2, "
                 "$3, $4, $5, $6) ON CONFLICT(transfer, line) DO NOTHING",
                 {absl::StrCat(transfer, ":reversed"), entry[0], entry[1], back.micro,
                  int64_t{back.pico}, now_us})
            .status());
    if (const auto tenant = billing::TenantOfPrepaid(TextOf(entry[1]))) {
      WL_RETURN_IF_ERROR(AddToBalance(connection, *tenant, -amount));
    }
  }
  return !entries.rows.empty();
}

absl::Status Credit(Connection& connection, int64_t epoch, const Row& row, const Unconfirmed& how) {
  const UsageId id{epoch, IntegerOf(row[0]), IntegerOf(row[1])};
  WL_RETURN_IF_ERROR(LockSums(connection));
  WL_RETURN_IF_ERROR(TakeBack(connection, row));
  WL_ASSIGN_OR_RETURN(const bool booked,
                      Reverse(connection, absl::StrCat("usage:", id.Text()), how.now_us));
  if (!booked && billing::IsPrepaid(how.prices, TextOf(row[15]), IntegerOf(row[8]))) {
    WL_ASSIGN_OR_RETURN(
        const Money time,
        Money::FromColumns({IntegerOf(row[10]), static_cast<int32_t>(IntegerOf(row[11]))}));
    WL_RETURN_IF_ERROR(AddToBalance(connection, TextOf(row[2]), -time));
  }
  return connection
      .Run(
          "UPDATE usage SET status = 'interrupted', reason = 'unconfirmed', charge_micro = 0, "
          "charge_pico = 0, position = 1 + (SELECT MAX(position) FROM usage WHERE epoch = $1) "
          "WHERE epoch = $1 AND ordinal = $2 AND choice = $3",
          {id.epoch, id.ordinal, id.choice})
      .status();
}

}  // namespace

absl::StatusOr<int64_t> SettleUnconfirmed(Connection& connection, int64_t epoch,
                                          const Unconfirmed& how) {
  WL_ASSIGN_OR_RETURN(const Result row,
                      connection.Run("SELECT answered FROM epoch WHERE id = $1", {epoch}));
  if (row.rows.empty()) return 0;
  WL_ASSIGN_OR_RETURN(const AnsweredSet answered, AnsweredSet::Parse(TextOf(row.rows[0][0])));
  WL_ASSIGN_OR_RETURN(
      const Result posted,
      connection.Run("SELECT ordinal, choice, tenant, project, api_key, model, tier, invoice, "
                     "admitted_us, ended_us, charge_micro, charge_pico, prompt, cached, generated, "
                     "plan FROM usage WHERE epoch = $1 AND ordinal >= $2 AND "
                     "status = 'posted' AND tier <> $3",
                     {epoch, answered.FirstMissing(), std::string(kBatchTier)}));
  int64_t count = 0;
  for (const Row& record : posted.rows) {
    if (answered.Contains(IntegerOf(record[0]))) continue;
    ++count;
    if (!how.credit || IntegerOf(record[7]) != 0) continue;
    WL_RETURN_IF_ERROR(Credit(connection, epoch, record, how));
  }
  return count;
}

}  // namespace waferline::metering
