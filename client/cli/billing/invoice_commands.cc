// waferctl invoice: drafts, final invoices, credit notes and exports.
#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/billing/billing_commands.h"
#include "client/cli/billing/books_source.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/account_answers.h"
#include "server/accounts/billing_text.h"
#include "server/accounts/invoice_tables.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using accounts::InvoiceName;
using accounts::KeptInvoice;
using billing::PriceBook;
using store::Connection;

int64_t NowUs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

absl::StatusOr<InvoiceName> NameOf(const Arguments& arguments) {
  auto name = accounts::ParseInvoiceName(arguments.operand(0));
  if (name.ok()) return name;
  return UsageError(absl::StrCat("INVOICE: ", std::string(name.status().message())));
}

std::string PathOf(const InvoiceName& name, const char* rest = "") {
  return absl::StrCat("/admin/invoices/", Escaped(name.Text()), rest);
}

absl::Status RunList(const Arguments& arguments) {
  const BooksQuestion question{
      .path = "/admin/invoices",
      .work = [](Connection& connection, const PriceBook& book) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const auto all, accounts::ListInvoices(connection, book));
        return accounts::InvoicesText(all);
      }};
  WL_ASSIGN_OR_RETURN(const std::string answer, AskBooks(arguments, question));
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(answer));
  if (arguments.json()) {
    PrintText(answer + "\n");
  } else {
    PrintList(object, "invoices", {"id", "status", "closed_at", "total_usd", "credited_usd"});
  }
  return absl::OkStatus();
}

absl::Status PrintInvoice(const Arguments& arguments, const std::string& answer) {
  WL_ASSIGN_OR_RETURN(const json::object object, ObjectOf(answer));
  if (arguments.json()) {
    PrintText(answer + "\n");
    return absl::OkStatus();
  }
  Print("invoice {}, {}{}\n", CellOf(object, "id"), CellOf(object, "status"),
        CellOf(object, "closed_at").empty() ? "" : " since " + CellOf(object, "closed_at"));
  const json::value* const invoice = object.if_contains("invoice");
  if (invoice != nullptr && invoice->is_object()) {
    PrintList(invoice->get_object(), "lines",
              {"period", "project", "model", "item", "tier", "quantity", "unit_picodollars",
               "amount_usd"});
  }
  const auto part = [&object](const char* field, const std::string& says) {
    const std::string usd = CellOf(object, field);
    return usd.empty() ? "" : absl::StrCat(", ", says, " ", usd);
  };
  Print("total {} USD{}{}{}{}\n", CellOf(object, "total_usd"),
        part("from_balance_usd", "from the prepaid balance"), part("credited_usd", "credited"),
        part("due_usd", "due"), part("overdraft_usd", "of which the balance was below zero by"));
  return absl::OkStatus();
}

absl::Status RunShow(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const InvoiceName name, NameOf(arguments));
  const BooksQuestion question{
      .path = PathOf(name),
      .work = [&](Connection& connection, const PriceBook& book) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const KeptInvoice kept, FindInvoice(connection, book, name));
        return accounts::KeptInvoiceText(kept);
      }};
  WL_ASSIGN_OR_RETURN(const std::string answer, AskBooks(arguments, question));
  return PrintInvoice(arguments, answer);
}

absl::Status RunClose(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const InvoiceName name, NameOf(arguments));
  const BooksQuestion question{
      .method = "POST",
      .path = PathOf(name, "/close"),
      .work = [&](Connection& connection, const PriceBook& book) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const KeptInvoice kept, CloseInvoice(connection, book, name, NowUs()));
        return accounts::KeptInvoiceText(kept);
      }};
  WL_ASSIGN_OR_RETURN(const std::string answer, ChangeBooks(arguments, question));
  return PrintInvoice(arguments, answer);
}

absl::Status RunCredit(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const InvoiceName name, NameOf(arguments));
  billing::CreditNote note{.id = arguments.Text("id"),
                           .invoice = name.Text(),
                           .tenant = name.tenant,
                           .amount = {},
                           .reason = arguments.Text("reason"),
                           .at_us = NowUs()};
  const absl::StatusOr<Cents> amount = ParseCents(arguments.Text("amount-usd"));
  if (!amount.ok()) {
    return UsageError(absl::StrCat("--amount-usd: ", std::string(amount.status().message())));
  }
  note.amount = *amount;
  const BooksQuestion question{
      .method = "POST",
      .path = PathOf(name, "/credits"),
      .body = JsonText(json::object{
          {"amount_usd", arguments.Text("amount-usd")}, {"reason", note.reason}, {"id", note.id}}),
      .work = [&](Connection& connection, const PriceBook& book) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const KeptInvoice kept, CreditInvoice(connection, book, name, note));
        return accounts::KeptInvoiceText(kept);
      }};
  WL_ASSIGN_OR_RETURN(const std::string answer, ChangeBooks(arguments, question));
  return PrintInvoice(arguments, answer);
}

absl::Status RunExport(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const InvoiceName name, NameOf(arguments));
  const bool focus = arguments.Text("format") == "focus";
  const auto format = focus ? accounts::ExportFormat::kFocus : accounts::ExportFormat::kCloudEvents;
  const BooksQuestion question{.path = PathOf(name, focus ? "/focus" : "/events"),
                               .work = [&](Connection& connection, const PriceBook& book) {
                                 return ExportInvoice(connection, book, name, format);
                               }};
  WL_ASSIGN_OR_RETURN(const std::string answer, AskBooks(arguments, question));
  PrintText(answer);
  return absl::OkStatus();
}

}  // namespace

Group BooksGroup() {
  const std::vector<Operand> invoice = {{"INVOICE", "TENANT:YYYY-MM"}};
  Group group{
      .name = "books",
      .summary = "Invoices and the ledger, of a server or of its store",
      .commands = {
          {.words = "invoice list",
           .summary = "List final invoices and drafts",
           .flags = BooksFlags(),
           .examples = {"waferctl invoice list --store sqlite:usage.db"},
           .run = RunList},
          {.words = "invoice show",
           .summary = "Show an invoice, or the draft as it is now",
           .operands = invoice,
           .flags = BooksFlags(),
           .examples = {"waferctl invoice show acme:2026-06"},
           .run = RunShow},
          {.words = "invoice close",
           .summary = "Make a draft final, once its month and 72 hours are over",
           .operands = invoice,
           .flags = BooksFlags(),
           .examples = {"waferctl invoice close acme:2026-06"},
           .run = RunClose},
          {.words = "invoice credit",
           .summary = "Credit a part of a final invoice",
           .operands = invoice,
           .flags = BooksFlags({TextFlag("amount-usd", "USD", "how much").Required(),
                                TextFlag("reason", "TEXT", "why").Required(),
                                TextFlag("id", "ID", "the note's: counts once").Required()}),
           .examples = {"waferctl invoice credit acme:2026-06 --amount-usd 1.50 "
                        "--reason outage --id outage-17"},
           .run = RunCredit},
          {.words = "invoice export",
           .summary = "Write an invoice for other programs",
           .operands = invoice,
           .flags = BooksFlags({ChoiceFlag("format", "FORMAT", "as what", {"focus", "cloudevents"})
                                    .Default("focus")}),
           .examples = {"waferctl invoice export acme:2026-06 > june.csv"},
           .run = RunExport}}};
  for (Command& command : LedgerCommands()) group.commands.push_back(std::move(command));
  return group;
}

}  // namespace waferline::cli
