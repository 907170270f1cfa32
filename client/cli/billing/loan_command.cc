// waferctl contract loan.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/billing/billing_commands.h"
#include "client/cli/billing/contract_flags.h"
#include "client/cli/billing/contract_json.h"
#include "client/cli/frame/output.h"
#include "server/contracts/loan.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using namespace contracts;  // NOLINT: every name of this file is of it

// --repay cash, capacity or mixed:SHARE.
absl::Status ReadRepayment(const Arguments& arguments, Loan* loan) {
  if (!arguments.Has("repay")) return absl::OkStatus();
  const std::string text = arguments.Text("repay");
  if (text == "cash" || text == "capacity") {
    loan->by = text == "cash" ? Repayment::kCash : Repayment::kCapacity;
    return absl::OkStatus();
  }
  const absl::StatusOr<Multiplier> share = text.starts_with("mixed:")
                                               ? Multiplier::Parse(std::string_view(text).substr(6))
                                               : absl::InvalidArgumentError("");
  if (!share.ok() || *share > Multiplier()) {
    return UsageError("--repay: must be cash, capacity or mixed:SHARE, SHARE from 0 to 1");
  }
  loan->by = Repayment::kMixed;
  loan->capacity_share = *share;
  return absl::OkStatus();
}

absl::Status RunLoan(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(Contract contract, ReadSetContract(arguments));
  if (!contract.loan.has_value()) {
    return absl::NotFoundError(absl::StrCat(contract.name, " has no loan"));
  }
  WL_RETURN_IF_ERROR(ReadRepayment(arguments, &*contract.loan));
  const Loan& loan = *contract.loan;
  const std::vector<LoanMonth> months = LoanScheduleOf(loan);
  const Annuity annuity = AnnuityOf(loan.principal, loan.rate_ppm, loan.instalments);
  if (arguments.json()) {
    json::array rows;
    for (const LoanMonth& row : months) rows.push_back(LoanJson(row));
    PrintText(JsonText(json::object{{"contract", contract.name},
                                    {"months", std::move(rows)},
                                    {"as_annuity",
                                     {{"payment_usd", FormatCents(annuity.payment)},
                                      {"interest_usd", FormatCents(annuity.interest)}}}}) +
              "\n");
    return absl::OkStatus();
  }
  std::map<int, LoanMonth> years;
  Cents accrued, waived, paid;
  for (const LoanMonth& row : months) {
    LoanMonth& sum = years[row.month.year];
    sum.repaid_cash += row.repaid_cash;
    sum.repaid_capacity += row.repaid_capacity;
    sum.accrued += row.accrued;
    sum.waived += row.waived;
    sum.paid += row.paid;
    sum.closing = row.closing;
    accrued += row.accrued;
    waived += row.waived;
    paid += row.paid;
  }
  Table table({"$M", "repaid in cash", "by capacity", "interest", "waived", "paid", "closing"});
  for (const auto& [year, sum] : years) {
    table.Add({absl::StrCat(year), Millions(sum.repaid_cash), Millions(sum.repaid_capacity),
               Millions(sum.accrued), Millions(sum.waived), Millions(sum.paid),
               Millions(sum.closing)});
  }
  table.Print();
  Print("interest {} = waived {} + paid {}\n", FormatCents(accrued), FormatCents(waived),
        FormatCents(paid));
  Print("as an annuity of {} months: {} a month, interest {}\n", loan.instalments,
        FormatCents(annuity.payment), FormatCents(annuity.interest));
  return absl::OkStatus();
}

}  // namespace

Command ContractLoanCommand() {
  return {.words = "contract loan",
          .summary = "The loan's principal and interest, repaid in cash or by capacity",
          .operands = {ContractOperand()},
          .flags = {SetFlag(), TextFlag("repay", "HOW",
                                        "cash, capacity or mixed:SHARE of capacity; as the "
                                        "contract says if not given")},
          .examples = {"waferctl contract loan openai-750mw --repay mixed:0.5"},
          .run = RunLoan};
}

}  // namespace waferline::cli
