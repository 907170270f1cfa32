// Invoices and the ledger of a running server: what administrators ask of them, answered as JSON
// (billing_text.h). Questions run on the reader's thread, changes on the writer's.
//
// Owner: server/app; dies after the front ends. Thread: any; no call blocks. `done` runs once, on a
// thread of the database's or within a call that is refused. Without a database, or without prices,
// every call is refused by name.
#pragma once

#include <functional>
#include <string>

#include "server/accounts/accounts.h"
#include "server/accounts/invoice_tables.h"
#include "server/billing/verify.h"

namespace waferline::accounts {

class Books {
 public:
  struct Options {
    Accounts* accounts = nullptr;  // whose reader answers; null: there is no database
    store::Writer* writer = nullptr;
    const billing::PriceBook* prices = nullptr;
    std::function<int64_t()> unix_us;
    std::function<std::string(size_t)> random_bytes;
  };

  explicit Books(Options options) : options_(std::move(options)) {}

  void List(Done<std::string> done);
  void Find(const std::string& invoice, Done<std::string> done);
  // The same as a value.
  void Get(const InvoiceName& name, Done<KeptInvoice> done);
  void Export(const std::string& invoice, ExportFormat format, Done<std::string> done);
  void Close(const std::string& invoice, Done<std::string> done);
  // Without an id the note gets one.
  void Credit(const std::string& invoice, billing::CreditNote note, Done<std::string> done);

  void Verify(Done<std::string> done);
  void Balances(Done<std::string> done);

 private:
  using Question = std::function<absl::StatusOr<std::string>(store::Connection&)>;
  void Ask(Question question, Done<std::string> done);
  using Change = std::function<absl::StatusOr<KeptInvoice>(store::Connection&)>;
  void Write(Change change, Done<std::string> done);
  absl::Status Check() const;
  absl::StatusOr<InvoiceName> NameOf(const std::string& invoice) const;

  const Options options_;
};

// One state of all tables.
absl::StatusOr<billing::LedgerReport> VerifyStore(store::Connection& connection,
                                                  const billing::PriceBook& book);

}  // namespace waferline::accounts
