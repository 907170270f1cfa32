#include "server/accounts/invoice_draft.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/ledger_tables.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {

using billing::PriceBook;
using billing::UsageRecord;
using store::Connection;
using store::IntegerOf;
using store::Result;
using store::TextOf;

namespace {

// The month of the first invoice that can still take records: after the last final one. Not set:
// there is no final one.
absl::StatusOr<std::optional<Month>> FirstOpenMonth(Connection& connection,
                                                    const std::string& tenant) {
  WL_ASSIGN_OR_RETURN(
      const Result last,
      connection.Run("SELECT COALESCE(MAX(period), 0) FROM invoice WHERE tenant = $1", {tenant}));
  const int64_t period = IntegerOf(last.rows[0][0]);
  if (period == 0) return std::nullopt;
  return MonthOfPeriod(period) + 1;
}

}  // namespace

Month MonthOfPeriod(int64_t period) {
  return {static_cast<int>(period / 100), static_cast<int>(period % 100)};
}

absl::StatusOr<int64_t> Interrupted(Connection& connection, const InvoiceName& name) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT COUNT(*) FROM usage WHERE tenant = $1 AND status = 'interrupted' AND "
                     "ended_us >= $2 AND ended_us < $3",
                     {name.tenant, name.month.begin_us(), name.month.end_us()}));
  return IntegerOf(found.rows[0][0]);
}

absl::StatusOr<Draft> DraftOf(Connection& connection, const PriceBook& book,
                              const InvoiceName& name) {
  WL_ASSIGN_OR_RETURN(const Result tenant,
                      connection.Run("SELECT plan FROM tenant WHERE name = $1", {name.tenant}));
  const std::string plan = tenant.rows.empty() ? "" : TextOf(tenant.rows[0][0]);
  Draft draft;
  WL_ASSIGN_OR_RETURN(std::vector<UsageRecord> unbilled,
                      UnbilledRecords(connection, name.tenant, name.month.end_us()));
  if (tenant.rows.empty() && unbilled.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no tenant '", name.tenant, "', nor usage of it"));
  }
  WL_ASSIGN_OR_RETURN(const std::optional<Month> open, FirstOpenMonth(connection, name.tenant));
  for (UsageRecord& record : unbilled) {
    Month month = MonthOf(record.ended_us);
    if (open) month = std::max(month, *open);
    if (month == name.month) {
      draft.records.push_back(std::move(record));
    } else if (month < name.month) {
      draft.earlier = draft.earlier ? std::min(*draft.earlier, month) : month;
    }
  }
  WL_ASSIGN_OR_RETURN(const int64_t interrupted, Interrupted(connection, name));
  WL_ASSIGN_OR_RETURN(draft.invoice, DraftInvoice(book, {name.tenant, plan, name.month,
                                                         draft.records, interrupted}));
  return draft;
}

}  // namespace waferline::accounts
