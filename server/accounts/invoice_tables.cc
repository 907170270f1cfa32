#include "server/accounts/invoice_tables.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/accounts/invoice_draft.h"
#include "server/accounts/ledger_tables.h"
#include "server/accounts/names.h"
#include "server/accounts/overdraft.h"
#include "server/billing/usage_export.h"
#include "server/metering/usage_tables.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::accounts {
namespace {

using billing::CreditNote;
using billing::Invoice;
using billing::Plan;
using billing::PriceBook;
using billing::UsageRecord;
using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;

// Of an invoice that is final.
absl::StatusOr<std::string> PlanNameOf(Connection& connection, const InvoiceName& name) {
  WL_ASSIGN_OR_RETURN(const Result row,
                      connection.Run("SELECT plan FROM invoice WHERE tenant = $1 AND period = $2",
                                     {name.tenant, name.period()}));
  return TextOf(row.rows[0][0]);
}

// Not set: there is no final one.
absl::StatusOr<std::optional<KeptInvoice>> FinalOf(Connection& connection,
                                                   const InvoiceName& name) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT closed_us, total_cents, credited_cents, text FROM invoice WHERE "
                     "tenant = $1 AND period = $2",
                     {name.tenant, name.period()}));
  if (found.rows.empty()) return std::nullopt;
  const Row& row = found.rows[0];
  KeptInvoice kept{.state = {.name = name,
                             .closed_us = IntegerOf(row[0]),
                             .total = Cents(IntegerOf(row[1])),
                             .exact = billing::ExactOf(TextOf(row[3])),
                             .credited = Cents(IntegerOf(row[2]))},
                   .text = TextOf(row[3])};
  WL_ASSIGN_OR_RETURN(kept.overdraft, BookedOverdraft(connection, name));
  WL_ASSIGN_OR_RETURN(
      const Result notes,
      connection.Run("SELECT id, cents, reason, at_us FROM credit_note WHERE tenant = $1 AND "
                     "period = $2 ORDER BY at_us, id",
                     {name.tenant, name.period()}));
  for (const Row& note : notes.rows) {
    kept.credits.push_back({.id = TextOf(note[0]),
                            .invoice = name.Text(),
                            .tenant = name.tenant,
                            .amount = Cents(IntegerOf(note[1])),
                            .reason = TextOf(note[2]),
                            .at_us = IntegerOf(note[3])});
  }
  return kept;
}

// Its transfer books the system time that the balance counted record by record.
absl::Status BookTransfer(Connection& connection, const PriceBook& book,
                          const std::vector<UsageRecord>& records,
                          const billing::FinalInvoice& closed) {
  WL_ASSIGN_OR_RETURN(const Money counted, CountedTime(book, records));
  if (!counted.IsZero()) {
    WL_RETURN_IF_ERROR(metering::AddToBalance(connection, closed.invoice().tenant, -counted));
  }
  return AddTransfer(connection, closed.transfer());
}

absl::Status Keep(Connection& connection, const billing::FinalInvoice& closed, int64_t now_us,
                  int64_t records) {
  const Invoice& invoice = closed.invoice();
  const InvoiceName name{invoice.tenant, invoice.month};
  WL_RETURN_IF_ERROR(
      connection
          .Run("INSERT INTO invoice(tenant, period, plan, closed_us, total_cents, credited_cents, "
               "text) VALUES($1, $2, $3, $4, $5, 0, $6)",
               {name.tenant, name.period(), invoice.plan, now_us, invoice.total.count(),
                closed.text()})
          .status());
  if (records > 0) {  // else what is older than its end came too late, and is on a later one
    WL_ASSIGN_OR_RETURN(
        const Result billed,
        connection.Run("UPDATE usage SET invoice = $3 WHERE tenant = $1 AND invoice = 0 AND "
                       "status = 'posted' AND ended_us < $2",
                       {name.tenant, name.month.end_us(), name.period()}));
    if (billed.changed != records) {
      return absl::UnavailableError("another server has recorded late usage meanwhile; try again");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string InvoiceName::Text() const {
  return absl::StrCat(billing::NameOfTenant(tenant), ":", month.Text());
}

absl::StatusOr<InvoiceName> ParseInvoiceName(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return absl::InvalidArgumentError("an invoice is named TENANT:YYYY-MM");
  }
  InvoiceName name{.tenant = std::string(text.substr(0, colon)), .month = {}};
  if (name.tenant == kNoTenant) name.tenant.clear();
  WL_ASSIGN_OR_RETURN(name.month, ParseMonth(text.substr(colon + 1)));
  return name;
}

absl::StatusOr<std::vector<InvoiceState>> ListInvoices(Connection& connection,
                                                       const PriceBook& book) {
  std::vector<InvoiceState> all;
  WL_ASSIGN_OR_RETURN(
      const Result kept,
      connection.Run("SELECT tenant, period, closed_us, total_cents, credited_cents, text FROM "
                     "invoice ORDER BY tenant, period",
                     {}));
  for (const Row& row : kept.rows) {
    all.push_back({.name = {TextOf(row[0]), MonthOfPeriod(IntegerOf(row[1]))},
                   .closed_us = IntegerOf(row[2]),
                   .total = Cents(IntegerOf(row[3])),
                   .exact = billing::ExactOf(TextOf(row[5])),
                   .credited = Cents(IntegerOf(row[4]))});
  }
  WL_ASSIGN_OR_RETURN(
      const Result unbilled,
      connection.Run(
          "SELECT tenant, MIN(ended_us), MAX(ended_us), COUNT(*) FROM usage WHERE invoice "
          "= 0 AND status = 'posted' GROUP BY tenant ORDER BY tenant",
          {}));
  int64_t records = 0;
  for (const Row& row : unbilled.rows) {
    const std::string tenant = TextOf(row[0]);
    Month first = MonthOf(IntegerOf(row[1]));
    // What came late is on the month after the last final one.
    for (const InvoiceState& state : all) {
      if (state.name.tenant == tenant && state.closed_us != 0 && state.name.month >= first) {
        first = state.name.month + 1;
      }
    }
    const Month last = std::max(first, MonthOf(IntegerOf(row[2])));
    for (Month month = first; month <= last; month = month + 1) {
      InvoiceState& state = all.emplace_back(InvoiceState{.name = {tenant, month}});
      records += IntegerOf(row[3]);
      state.has_total = records <= kMaxListedRecords;
      if (!state.has_total) continue;
      WL_ASSIGN_OR_RETURN(const Draft draft, DraftOf(connection, book, state.name));
      state.total = draft.invoice.total;
      state.exact = draft.invoice.exact;
    }
  }
  return all;
}

absl::StatusOr<KeptInvoice> FindInvoice(Connection& connection, const PriceBook& book,
                                        const InvoiceName& name) {
  WL_ASSIGN_OR_RETURN(std::optional<KeptInvoice> kept, FinalOf(connection, name));
  if (kept) return *std::move(kept);
  WL_ASSIGN_OR_RETURN(const Draft draft, DraftOf(connection, book, name));
  const Invoice& invoice = draft.invoice;
  WL_ASSIGN_OR_RETURN(const Cents overdraft, OverdraftOf(connection, book, draft));
  return KeptInvoice{.state = {.name = name, .total = invoice.total, .exact = invoice.exact},
                     .overdraft = overdraft,
                     .text = InvoiceText(invoice)};
}

absl::StatusOr<KeptInvoice> CloseInvoice(Connection& connection, const PriceBook& book,
                                         const InvoiceName& name, int64_t now_us) {
  WL_ASSIGN_OR_RETURN(std::optional<KeptInvoice> kept, FinalOf(connection, name));
  if (kept) return *std::move(kept);
  WL_ASSIGN_OR_RETURN(Draft draft, DraftOf(connection, book, name));
  if (draft.earlier) {
    const InvoiceName earlier{name.tenant, *draft.earlier};
    return absl::FailedPreconditionError(absl::StrCat("invoice ", earlier.Text(),
                                                      " has records and is not a final one yet: "
                                                      "close it first"));
  }
  WL_RETURN_IF_ERROR(metering::LockSums(connection));
  WL_ASSIGN_OR_RETURN(const Cents overdraft, OverdraftOf(connection, book, draft));
  WL_ASSIGN_OR_RETURN(const billing::FinalInvoice closed,
                      billing::FinalInvoice::Close(std::move(draft.invoice), now_us));
  WL_RETURN_IF_ERROR(Keep(connection, closed, now_us, static_cast<int64_t>(draft.records.size())));
  WL_RETURN_IF_ERROR(BookTransfer(connection, book, draft.records, closed));
  WL_RETURN_IF_ERROR(BookOverdraft(connection, name, overdraft, now_us));
  WL_ASSIGN_OR_RETURN(kept, FinalOf(connection, name));
  return *std::move(kept);
}

absl::StatusOr<KeptInvoice> CreditInvoice(Connection& connection, const PriceBook& book,
                                          const InvoiceName& name, CreditNote note) {
  WL_ASSIGN_OR_RETURN(const std::optional<KeptInvoice> kept, FinalOf(connection, name));
  if (!kept) {
    return absl::NotFoundError(absl::StrCat("there is no final invoice ", name.Text(),
                                            ": only what is final is credited"));
  }
  for (const CreditNote& before : kept->credits) {
    if (before.id != note.id) continue;
    if (before.amount == note.amount && before.reason == note.reason) return *kept;
    return absl::AlreadyExistsError(
        absl::StrCat("credit note ", note.id, " exists with another amount or reason"));
  }
  note.invoice = name.Text();
  note.tenant = name.tenant;
  const Invoice invoice{
      .id = note.invoice, .tenant = note.tenant, .month = name.month, .total = kept->state.total};
  WL_ASSIGN_OR_RETURN(const std::string plan_name, PlanNameOf(connection, name));
  WL_ASSIGN_OR_RETURN(const Plan* plan, billing::PlanOfMonth(book, plan_name, name.month));
  WL_ASSIGN_OR_RETURN(const billing::Transfer transfer,
                      billing::CreditTransfer(note, invoice, *plan, kept->state.credited));
  WL_ASSIGN_OR_RETURN(
      const Result added,
      connection.Run(
          "INSERT INTO credit_note(id, tenant, period, cents, reason, at_us) VALUES($1, "
          "$2, $3, $4, $5, $6) ON CONFLICT(id) DO NOTHING",
          {note.id, name.tenant, name.period(), note.amount.count(), note.reason, note.at_us}));
  if (added.changed == 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("credit note ", note.id, " belongs to another invoice"));
  }
  // Two servers that credit at once do not pass the total together.
  WL_ASSIGN_OR_RETURN(
      const Result credited,
      connection.Run("UPDATE invoice SET credited_cents = credited_cents + $3 WHERE tenant = $1 "
                     "AND period = $2 AND credited_cents + $3 <= total_cents",
                     {name.tenant, name.period(), note.amount.count()}));
  if (credited.changed == 0) return absl::UnavailableError("the invoice changed meanwhile");
  WL_RETURN_IF_ERROR(AddTransfer(connection, transfer));
  WL_ASSIGN_OR_RETURN(const std::optional<KeptInvoice> after, FinalOf(connection, name));
  return *after;
}

absl::StatusOr<std::string> ExportInvoice(Connection& connection, const PriceBook& book,
                                          const InvoiceName& name, ExportFormat format) {
  WL_ASSIGN_OR_RETURN(const std::optional<KeptInvoice> kept, FinalOf(connection, name));
  Draft draft;
  if (kept) {
    WL_ASSIGN_OR_RETURN(draft.records, BilledRecords(connection, name.tenant, name.period()));
    WL_ASSIGN_OR_RETURN(const std::string plan, PlanNameOf(connection, name));
    WL_ASSIGN_OR_RETURN(const int64_t interrupted, Interrupted(connection, name));
    WL_ASSIGN_OR_RETURN(draft.invoice, DraftInvoice(book, {name.tenant, plan, name.month,
                                                           draft.records, interrupted}));
  } else {
    WL_ASSIGN_OR_RETURN(draft, DraftOf(connection, book, name));
    draft.invoice.rounding = Money();  // it changes with each further record
  }
  std::string out =
      format == ExportFormat::kFocus ? billing::FocusHeader() + FocusRowsOf(draft.invoice) : "";
  for (const UsageRecord& record : draft.records) {
    if (format == ExportFormat::kCloudEvents) out += CloudEventOf(record);
    if (format == ExportFormat::kCloudEvents) continue;
    WL_ASSIGN_OR_RETURN(const std::string rows, FocusRowsOf(book, record));
    out += rows;
  }
  return out;
}

}  // namespace waferline::accounts
