// Invoices and the ledger as JSON, the same from a server and from a store's file: what waferctl
// prints and /admin answers. Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "server/accounts/invoice_tables.h"
#include "server/accounts/ledger_tables.h"
#include "server/billing/verify.h"

namespace waferline::accounts {

// {"invoices": [{"id", "tenant", "month", "status": "draft" or "final", "closed_at", "total_usd",
// "credited_usd"}]}; a draft's total is only in the draft itself.
std::string InvoicesText(const std::vector<InvoiceState>& invoices);
// {"id", "status", "closed_at", "credited_usd", "due_usd", "credit_notes", "invoice": InvoiceText},
// "from_balance_usd" where a balance pays, and "overdraft_usd" if some of "due_usd" is one.
std::string KeptInvoiceText(const KeptInvoice& kept);
// What is to be paid of it: "due_usd" there.
Cents AmountDue(const KeptInvoice& kept);
// {"records", "open", "posted", ..., "differences": []}
std::string LedgerReportText(const billing::LedgerReport& report);
// {"balances": [{"account", "debit_usd"}], "sum_usd"}: what is owed to us is positive.
std::string BalancesText(const std::vector<Balance>& balances);

}  // namespace waferline::accounts
