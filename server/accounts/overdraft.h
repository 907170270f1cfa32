// A prepaid balance below zero: it was paid back while it was used, or what a month as a whole adds
// passed it. The first invoice that is closed then has it due, and the balance is zero again.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/accounts/invoice_draft.h"
#include "server/accounts/invoice_tables.h"
#include "server/billing/price_book.h"
#include "server/money/money.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// The system time that a balance counted record by record, until the invoice books it.
absl::StatusOr<Money> CountedTime(const billing::PriceBook& book,
                                  const std::vector<billing::UsageRecord>& records);

// What the draft would have due of it if it were closed now; 0 if an earlier month comes first.
absl::StatusOr<Cents> OverdraftOf(store::Connection& connection, const billing::PriceBook& book,
                                  const Draft& draft);

// "overdraft:TENANT:2026-06": moves it from the balance to what the tenant owes.
absl::Status BookOverdraft(store::Connection& connection, const InvoiceName& name, Cents overdraft,
                           int64_t now_us);
// What BookOverdraft booked with a final invoice.
absl::StatusOr<Cents> BookedOverdraft(store::Connection& connection, const InvoiceName& name);

}  // namespace waferline::accounts
