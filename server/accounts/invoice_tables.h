// Invoices in the tables: a draft is computed from the records that are on none, a final one is
// kept as its text and never changes; credit notes come after it. Work inside a transaction;
// repeating it with the same arguments gives the same answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/invoice.h"
#include "server/billing/price_book.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// Written "acme:2026-06"; "no-tenant:2026-06" is that of a server without keys.
struct InvoiceName {
  std::string tenant;
  Month month;

  std::string Text() const;
  int64_t period() const { return int64_t{month.year} * 100 + month.month; }
};
// InvalidArgument: it does not end with a month.
absl::StatusOr<InvoiceName> ParseInvoiceName(std::string_view text);

struct InvoiceState {
  InvoiceName name;
  int64_t closed_us = 0;  // 0: a draft
  Cents total;
  Money exact;            // what was rounded to it
  bool has_total = true;  // false: a draft's, not computed
  Cents credited;
};
// Final ones, and a draft for each month of records that are on none; with its total as it is now
// unless there are so many records that it would take long (kMaxListedRecords).
inline constexpr int64_t kMaxListedRecords = 200'000;
absl::StatusOr<std::vector<InvoiceState>> ListInvoices(store::Connection& connection,
                                                       const billing::PriceBook& book);

struct KeptInvoice {
  InvoiceState state;
  Cents overdraft;   // due as well: what the balance is, or was when it was closed, below zero
  std::string text;  // InvoiceText
  std::vector<billing::CreditNote> credits;
};
// The final one, or the draft as it is now. Errors as DraftInvoice.
absl::StatusOr<KeptInvoice> FindInvoice(store::Connection& connection,
                                        const billing::PriceBook& book, const InvoiceName& name);

// Makes the draft final; one that is final stays as it is. FailedPrecondition: the month's grace
// time is not over at `now_us`, or an earlier month has records that are on no invoice.
absl::StatusOr<KeptInvoice> CloseInvoice(store::Connection& connection,
                                         const billing::PriceBook& book, const InvoiceName& name,
                                         int64_t now_us);

// Adds a credit note to a final invoice. `id` counts once: the same note again changes nothing.
// NotFound: no such final invoice. AlreadyExists: another note has this id. InvalidArgument: as
// CreditTransfer.
absl::StatusOr<KeptInvoice> CreditInvoice(store::Connection& connection,
                                          const billing::PriceBook& book, const InvoiceName& name,
                                          billing::CreditNote note);

enum class ExportFormat : uint8_t { kFocus, kCloudEvents };
// The invoice's records (and, for FOCUS, what the invoice adds to them) as other programs read it.
absl::StatusOr<std::string> ExportInvoice(store::Connection& connection,
                                          const billing::PriceBook& book, const InvoiceName& name,
                                          ExportFormat format);

}  // namespace waferline::accounts
