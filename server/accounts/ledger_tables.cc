#include "server/accounts/ledger_tables.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/metering/answered_set.h"
#include "server/metering/usage_record.h"
#include "server/metering/usage_tables.h"
#include "server/store/epoch.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {
namespace {

using billing::LedgerContents;
using billing::StoredUsage;
using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;
using store::Value;

constexpr char kUsage[] =
    "SELECT epoch, ordinal, choice, status, reason, tenant, project, api_key, plan, model, tier, "
    "admitted_us, ended_us, prompt, cached, generated, system_ns, accelerator_ns, microjoules, "
    "charge_micro, charge_pico, hold_micro, invoice, asked, position, endpoint, "
    "request_id FROM usage";
constexpr size_t kInvoiceColumn = 22, kAskedColumn = 23, kPositionColumn = 24;

absl::StatusOr<Money> MoneyOf(const Value& micro, const Value& pico) {
  return Money::FromColumns({IntegerOf(micro), static_cast<int32_t>(IntegerOf(pico))});
}

absl::StatusOr<StoredUsage> UsageOf(const Row& row) {
  const std::string status = TextOf(row[3]);
  StoredUsage usage{.record = {.id = absl::StrCat(IntegerOf(row[0]), ".", IntegerOf(row[1]), ".",
                                                  IntegerOf(row[2])),
                               .tenant = TextOf(row[5]),
                               .plan = TextOf(row[8]),
                               .project = TextOf(row[6]),
                               .key = TextOf(row[7]),
                               .model = TextOf(row[9]),
                               .end = metering::EndOf(TextOf(row[4])),
                               .admitted_us = IntegerOf(row[11]),
                               .ended_us = IntegerOf(row[12]),
                               .prompt_tokens = IntegerOf(row[13]),
                               .cached_tokens = IntegerOf(row[14]),
                               .generated_tokens = IntegerOf(row[15]),
                               .system_ns = IntegerOf(row[16]),
                               .accelerator_ns = IntegerOf(row[17]),
                               .microjoules = IntegerOf(row[18])},
                    .open = status == "open"};
  if (status == "interrupted") usage.record.end = billing::UsageEnd::kInterrupted;
  WL_ASSIGN_OR_RETURN(usage.record.served, billing::TierNamed(TextOf(row[10])));
  usage.record.asked = usage.record.served;
  // Records of old versions do not say it.
  if (const std::string asked = TextOf(row[kAskedColumn]); !asked.empty()) {
    WL_ASSIGN_OR_RETURN(usage.record.asked, billing::TierNamed(asked));
  }
  WL_ASSIGN_OR_RETURN(usage.charge, MoneyOf(row[19], row[20]));
  if (usage.open) usage.hold_micro = IntegerOf(row[21]);
  return usage;
}

absl::StatusOr<std::vector<billing::UsageRecord>> RecordsOf(const Result& found) {
  std::vector<billing::UsageRecord> records;
  for (const Row& row : found.rows) {
    WL_ASSIGN_OR_RETURN(StoredUsage usage, UsageOf(row));
    records.push_back(std::move(usage.record));
  }
  return records;
}

absl::Status ReadInvoices(Connection& connection, LedgerContents* contents) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT tenant, period, plan, closed_us, text FROM invoice ORDER BY tenant, "
                     "period",
                     {}));
  for (const Row& row : found.rows) {
    const auto period = static_cast<int>(IntegerOf(row[1]));
    contents->invoices.push_back({.tenant = TextOf(row[0]),
                                  .plan = TextOf(row[2]),
                                  .month = {period / 100, period % 100},
                                  .closed_us = IntegerOf(row[3]),
                                  .text = TextOf(row[4]),
                                  .usage_ids = {}});
  }
  return absl::OkStatus();
}

absl::Status ReadUsage(Connection& connection, LedgerContents* contents) {
  std::map<std::pair<std::string, Month>, billing::StoredInvoice*> invoices;
  for (billing::StoredInvoice& invoice : contents->invoices) {
    invoices[{invoice.tenant, invoice.month}] = &invoice;
  }
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat(kUsage, " ORDER BY epoch, ordinal, choice"), {}));
  std::map<int64_t, metering::AnsweredSet> answered;
  WL_ASSIGN_OR_RETURN(
      const Result epochs,
      connection.Run("SELECT id, answered, host, ended_us - started_us FROM epoch", {}));
  for (const Row& row : epochs.rows) {
    contents->losses += TextOf(row[2]) == store::kLostHost && IntegerOf(row[3]) == 0 ? 1 : 0;
    WL_ASSIGN_OR_RETURN(answered[IntegerOf(row[0])], metering::AnsweredSet::Parse(TextOf(row[1])));
  }
  for (const Row& row : found.rows) {
    WL_ASSIGN_OR_RETURN(StoredUsage usage, UsageOf(row));
    // A batch's line was answered by its row, in the same transaction.
    usage.confirmed = usage.record.served == billing::Tier::kBatch ||
                      answered[IntegerOf(row[0])].Contains(IntegerOf(row[1]));
    if (const auto period = static_cast<int>(IntegerOf(row[kInvoiceColumn])); period != 0) {
      const auto invoice = invoices.find({usage.record.tenant, Month{period / 100, period % 100}});
      if (invoice == invoices.end()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "usage ", usage.record.id, " is on an invoice that does not exist: ", period));
      }
      invoice->second->usage_ids.push_back(usage.record.id);
    }
    contents->usage.push_back(std::move(usage));
  }
  return absl::OkStatus();
}

absl::Status ReadSums(Connection& connection, LedgerContents* contents) {
  WL_ASSIGN_OR_RETURN(
      const Result hours,
      connection.Run("SELECT hour_us, tenant, project, api_key, model, tier, requests, prompt, "
                     "cached, generated, charge_micro, charge_pico, records FROM usage_hour",
                     {}));
  for (const Row& row : hours.rows) {
    billing::HourSum sum{.hour_us = IntegerOf(row[0]),
                         .tenant = TextOf(row[1]),
                         .project = TextOf(row[2]),
                         .key = TextOf(row[3]),
                         .model = TextOf(row[4]),
                         .requests = IntegerOf(row[6]),
                         .records = IntegerOf(row[12]),
                         .prompt_tokens = IntegerOf(row[7]),
                         .cached_tokens = IntegerOf(row[8]),
                         .generated_tokens = IntegerOf(row[9])};
    WL_ASSIGN_OR_RETURN(sum.served, billing::TierNamed(TextOf(row[5])));
    WL_ASSIGN_OR_RETURN(sum.charge, MoneyOf(row[10], row[11]));
    contents->hours.push_back(std::move(sum));
  }
  WL_ASSIGN_OR_RETURN(
      const Result accounts,
      connection.Run("SELECT tenant, project, period, spent_micro, spent_pico, held_micro FROM "
                     "account",
                     {}));
  for (const Row& row : accounts.rows) {
    billing::AccountSum sum{.tenant = TextOf(row[0]),
                            .project = TextOf(row[1]),
                            .period = IntegerOf(row[2]),
                            .held_micro = IntegerOf(row[5])};
    WL_ASSIGN_OR_RETURN(sum.spent, MoneyOf(row[3], row[4]));
    contents->accounts.push_back(std::move(sum));
  }
  return absl::OkStatus();
}

absl::Status ReadPaidIn(Connection& connection, LedgerContents* contents) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run("SELECT tenant, prepaid_micro FROM quota WHERE prepaid_micro "
                                     "IS NOT NULL",
                                     {}));
  for (const Row& row : found.rows) {
    WL_ASSIGN_OR_RETURN(contents->paid_in[TextOf(row[0])],
                        Money::FromColumns({IntegerOf(row[1]), 0}));
  }
  return absl::OkStatus();
}

absl::Status ReadTransfers(Connection& connection, LedgerContents* contents) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT transfer, account, micro, pico, at_us FROM entry ORDER BY transfer, "
                     "line",
                     {}));
  for (const Row& row : found.rows) {
    const std::string id = TextOf(row[0]);
    if (contents->transfers.empty() || contents->transfers.back().id != id) {
      contents->transfers.push_back({.id = id, .at_us = IntegerOf(row[4]), .entries = {}});
    }
    WL_ASSIGN_OR_RETURN(const Money amount, MoneyOf(row[2], row[3]));
    contents->transfers.back().entries.push_back({TextOf(row[1]), amount});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<billing::UsageRecord>> UnbilledRecords(Connection& connection,
                                                                  const std::string& tenant,
                                                                  int64_t before_us) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run(absl::StrCat(kUsage,
                                  " WHERE tenant = $1 AND invoice = 0 AND status = 'posted' AND "
                                  "ended_us < $2 LIMIT $3"),
                     {tenant, before_us, kMaxInvoiceRecords + 1}));
  if (found.rows.size() > static_cast<size_t>(kMaxInvoiceRecords)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "tenant '", tenant, "' has more than ", kMaxInvoiceRecords, " records for one invoice"));
  }
  return RecordsOf(found);
}

absl::StatusOr<std::vector<billing::UsageRecord>> BilledRecords(Connection& connection,
                                                                const std::string& tenant,
                                                                int64_t period) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat(kUsage, " WHERE tenant = $1 AND invoice = $2"),
                                     {tenant, period}));
  return RecordsOf(found);
}

absl::StatusOr<std::vector<PositionedUsage>> UsageAfter(Connection& connection, int64_t epoch,
                                                        int64_t position, int64_t count) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run(absl::StrCat(kUsage,
                                  " WHERE epoch = $1 AND position > $2 AND position > 0 ORDER BY "
                                  "position LIMIT $3"),
                     {epoch, position, count}));
  std::vector<PositionedUsage> all;
  for (const Row& row : found.rows) {
    WL_ASSIGN_OR_RETURN(StoredUsage usage, UsageOf(row));
    all.push_back({.record = std::move(usage.record),
                   .charge = usage.charge,
                   .position = IntegerOf(row[kPositionColumn]),
                   .credited = TextOf(row[3]) == "interrupted",
                   .reason = TextOf(row[4]),
                   .endpoint = TextOf(row[kPositionColumn + 1]),
                   .request_id = TextOf(row[kPositionColumn + 2])});
  }
  return all;
}

absl::Status AddTransfer(Connection& connection, const billing::Transfer& transfer) {
  for (size_t line = 0; line < transfer.entries.size(); ++line) {
    const billing::LedgerEntry& entry = transfer.entries[line];
    const Money::Columns amount = entry.amount.ToColumns();
    WL_ASSIGN_OR_RETURN(
        const Result added,
        connection.Run("INSERT INTO entry(transfer, line, account, micro, pico, at_us) VALUES($1, "
                       "$2, $3, $4, $5, $6) ON CONFLICT(transfer, line) DO NOTHING",
                       {transfer.id, static_cast<int64_t>(line), entry.account, amount.micro,
                        int64_t{amount.pico}, transfer.at_us}));
    const std::optional<std::string> tenant = billing::TenantOfPrepaid(entry.account);
    if (!tenant || added.changed == 0) continue;
    WL_RETURN_IF_ERROR(metering::AddToBalance(connection, *tenant, entry.amount));
  }
  return absl::OkStatus();
}

absl::StatusOr<LedgerContents> ReadLedger(Connection& connection) {
  LedgerContents contents;
  WL_RETURN_IF_ERROR(ReadInvoices(connection, &contents));
  WL_RETURN_IF_ERROR(ReadUsage(connection, &contents));
  WL_RETURN_IF_ERROR(ReadSums(connection, &contents));
  WL_RETURN_IF_ERROR(ReadPaidIn(connection, &contents));
  WL_RETURN_IF_ERROR(ReadTransfers(connection, &contents));
  return contents;
}

absl::StatusOr<std::vector<Balance>> ReadBalances(Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT account, SUM(micro), SUM(pico) FROM entry GROUP BY account ORDER BY "
                     "account",
                     {}));
  std::vector<Balance> balances;
  for (const Row& row : found.rows) {
    const int64_t pico = IntegerOf(row[2]);
    WL_ASSIGN_OR_RETURN(const Money amount,
                        Money::FromColumns({IntegerOf(row[1]) + pico / 1'000'000,
                                            static_cast<int32_t>(pico % 1'000'000)}));
    balances.push_back({TextOf(row[0]), amount});
  }
  return balances;
}

}  // namespace waferline::accounts
