#include "server/accounts/books.h"

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "server/accounts/billing_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {

using store::Connection;

absl::Status Books::Check() const {
  if (options_.accounts == nullptr || options_.writer == nullptr) return NoDatabase();
  if (options_.prices != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this server has no prices, so nothing is charged: configure 'billing: {prices: FILE}'");
}

absl::StatusOr<InvoiceName> Books::NameOf(const std::string& invoice) const {
  WL_RETURN_IF_ERROR(Check());
  return ParseInvoiceName(invoice);
}

void Books::Ask(Question question, Done<std::string> done) {
  if (const absl::Status status = Check(); !status.ok()) return done(status);
  options_.accounts->Ask<std::string>(std::move(question), std::move(done));
}

// The answer of the attempt that was committed.
void Books::Write(Change change, Done<std::string> done) {
  if (const absl::Status status = Check(); !status.ok()) return done(status);
  if (const absl::Status status = options_.writer->MayAdmit(); !status.ok()) return done(status);
  const auto text = std::make_shared<std::string>();
  options_.writer->Post(
      [change = std::move(change), text](Connection& connection) {
        WL_ASSIGN_OR_RETURN(const KeptInvoice kept, change(connection));
        *text = KeptInvoiceText(kept);
        return absl::OkStatus();
      },
      [text, done = std::move(done)](const absl::Status& written) {
        if (!written.ok()) return done(written);
        done(*text);
      });
}

void Books::List(Done<std::string> done) {
  Ask(
      [prices = options_.prices](Connection& connection) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const std::vector<InvoiceState> all, ListInvoices(connection, *prices));
        return InvoicesText(all);
      },
      std::move(done));
}

void Books::Find(const std::string& invoice, Done<std::string> done) {
  const auto name = NameOf(invoice);
  if (!name.ok()) return done(name.status());
  Ask(
      [prices = options_.prices,
       name = *name](Connection& connection) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const KeptInvoice kept, FindInvoice(connection, *prices, name));
        return KeptInvoiceText(kept);
      },
      std::move(done));
}

void Books::Get(const InvoiceName& name, Done<KeptInvoice> done) {
  if (const absl::Status status = Check(); !status.ok()) return done(status);
  options_.accounts->Ask<KeptInvoice>(
      [prices = options_.prices, name](Connection& connection) {
        return FindInvoice(connection, *prices, name);
      },
      std::move(done));
}

void Books::Export(const std::string& invoice, ExportFormat format, Done<std::string> done) {
  const auto name = NameOf(invoice);
  if (!name.ok()) return done(name.status());
  Ask([prices = options_.prices, name = *name,
       format](Connection& connection) { return ExportInvoice(connection, *prices, name, format); },
      std::move(done));
}

void Books::Close(const std::string& invoice, Done<std::string> done) {
  const auto name = NameOf(invoice);
  if (!name.ok()) return done(name.status());
  Write([prices = options_.prices, name = *name, now_us = options_.unix_us()](
            Connection& connection) { return CloseInvoice(connection, *prices, name, now_us); },
        std::move(done));
}

void Books::Credit(const std::string& invoice, billing::CreditNote note, Done<std::string> done) {
  const auto name = NameOf(invoice);
  if (!name.ok()) return done(name.status());
  if (note.id.empty() && options_.random_bytes) {
    note.id = "note_" + absl::BytesToHexString(options_.random_bytes(8));
  }
  note.at_us = options_.unix_us ? options_.unix_us() : 0;
  Write([prices = options_.prices, name = *name,
         note](Connection& connection) { return CreditInvoice(connection, *prices, name, note); },
        std::move(done));
}

void Books::Verify(Done<std::string> done) {
  Ask(
      [prices = options_.prices](Connection& connection) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const billing::LedgerReport report, VerifyStore(connection, *prices));
        return LedgerReportText(report);
      },
      std::move(done));
}

void Books::Balances(Done<std::string> done) {
  Ask(
      [](Connection& connection) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const std::vector<Balance> balances, ReadBalances(connection));
        return BalancesText(balances);
      },
      std::move(done));
}

absl::StatusOr<billing::LedgerReport> VerifyStore(Connection& connection,
                                                  const billing::PriceBook& book) {
  WL_RETURN_IF_ERROR(connection.BeginRead());
  const absl::StatusOr<billing::LedgerContents> contents = ReadLedger(connection);
  connection.Rollback();
  if (!contents.ok()) return contents.status();
  return VerifyLedger(book, *contents);
}

}  // namespace waferline::accounts
