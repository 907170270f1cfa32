// waferctl ledger: the double entry, recomputed and summed.
#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/billing/billing_commands.h"
#include "client/cli/billing/books_source.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/account_answers.h"
#include "server/accounts/billing_text.h"
#include "server/accounts/books.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using billing::PriceBook;
using store::Connection;

absl::Status RunVerify(const Arguments& arguments) {
  const BooksQuestion question{
      .path = "/admin/ledger/verify",
      .work = [](Connection& connection, const PriceBook& book) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const auto report, accounts::VerifyStore(connection, book));
        return accounts::LedgerReportText(report);
      }};
  WL_ASSIGN_OR_RETURN(const std::string answer, AskBooks(arguments, question));
  WL_ASSIGN_OR_RETURN(const json::object report, ObjectOf(answer));
  const json::value* const list = report.if_contains("differences");
  const std::string found = CellOf(report, "differences_found");
  if (arguments.json()) {
    PrintText(answer + "\n");
  } else {
    for (const auto& member : report) {
      if (member.value().is_int64()) {
        Print("{:<18} {}\n", std::string(member.key()), member.value().get_int64());
      }
    }
    if (list != nullptr && list->is_array()) {
      for (const json::value& one : list->get_array()) {
        if (one.is_string()) Print("{}\n", std::string(one.get_string()));
      }
    }
  }
  if (const std::string losses = CellOf(report, "losses"); !arguments.json() && losses != "0") {
    Print(
        "The database had lost what its last server recorded {} times (an older copy was put back, "
        "or its log was cut): that usage is in no sum here.\n",
        losses);
  }
  if (found == "0") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the ledger has ", found, " differences"));
}

absl::Status RunBalances(const Arguments& arguments) {
  const BooksQuestion question{
      .path = "/admin/ledger/balances",
      .work = [](Connection& connection, const PriceBook&) -> absl::StatusOr<std::string> {
        WL_ASSIGN_OR_RETURN(const auto balances, accounts::ReadBalances(connection));
        return accounts::BalancesText(balances);
      }};
  WL_ASSIGN_OR_RETURN(const std::string answer, AskBooks(arguments, question));
  WL_ASSIGN_OR_RETURN(const json::object balances, ObjectOf(answer));
  if (arguments.json()) {
    PrintText(answer + "\n");
    return absl::OkStatus();
  }
  PrintList(balances, "balances", {"account", "debit_usd"});
  Print("sum {} USD\n", CellOf(balances, "sum_usd"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> LedgerCommands() {
  return {{.words = "ledger verify",
           .summary = "Recompute every charge, sum, transfer and invoice; exit 1 on a difference",
           .flags = BooksFlags(),
           .examples = {"waferctl ledger verify --store sqlite:usage.db --json"},
           .run = RunVerify},
          {.words = "ledger balances",
           .summary = "The sum of every account",
           .flags = BooksFlags(),
           .examples = {"waferctl ledger balances"},
           .run = RunBalances}};
}

}  // namespace waferline::cli
