#include "server/accounts/overdraft.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/accounts/ledger_tables.h"
#include "server/billing/invoice.h"
#include "server/billing/prepaid.h"
#include "server/billing/transfer.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {

using store::Connection;
using store::Result;

namespace {

std::string IdOf(const InvoiceName& name) {
  return absl::StrCat("overdraft:", name.tenant, ":", name.month.Text());
}

}  // namespace

absl::StatusOr<Money> CountedTime(const billing::PriceBook& book,
                                  const std::vector<billing::UsageRecord>& records) {
  Money counted;
  for (const billing::UsageRecord& record : records) {
    WL_ASSIGN_OR_RETURN(const Money time, billing::PrepaidTime(book, record));
    WL_RETURN_IF_ERROR(counted.Add(time));
  }
  return counted;
}

absl::StatusOr<Cents> OverdraftOf(Connection& connection, const billing::PriceBook& book,
                                  const Draft& draft) {
  if (draft.earlier) return Cents();
  const std::string& tenant = draft.invoice.tenant;
  WL_ASSIGN_OR_RETURN(const metering::AccountState balance,
                      metering::ReadAccount(connection, {.tenant = tenant}));
  Money debit = balance.spent;
  WL_ASSIGN_OR_RETURN(const billing::Transfer closing, ClosingTransfer(draft.invoice, 0));
  for (const billing::LedgerEntry& entry : closing.entries) {
    if (entry.account != billing::PrepaidAccount(tenant)) continue;
    WL_RETURN_IF_ERROR(debit.Add(entry.amount));
  }
  WL_ASSIGN_OR_RETURN(const Money counted, CountedTime(book, draft.records));
  WL_RETURN_IF_ERROR(debit.Subtract(counted));
  return std::max(debit.RoundedToCents(), Cents());
}

absl::Status BookOverdraft(Connection& connection, const InvoiceName& name, Cents overdraft,
                           int64_t now_us) {
  if (overdraft == Cents()) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const Money amount, Money::FromCents(overdraft));
  return AddTransfer(connection, {.id = IdOf(name),
                                  .at_us = now_us,
                                  .entries = {{billing::ReceivableAccount(name.tenant), amount},
                                              {billing::PrepaidAccount(name.tenant), -amount}}});
}

absl::StatusOr<Cents> BookedOverdraft(Connection& connection, const InvoiceName& name) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT micro FROM entry WHERE transfer = $1 AND line = 0", {IdOf(name)}));
  return Cents(found.rows.empty() ? 0 : store::IntegerOf(found.rows[0][0]) / 10'000);
}

}  // namespace waferline::accounts
