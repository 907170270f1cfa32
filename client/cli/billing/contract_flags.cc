#include "client/cli/billing/contract_flags.h"

#include <fmt/format.h>

#include "absl/strings/str_cat.h"
#include "server/contracts/contract_reader.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {
namespace {

absl::Status WrongSet(const absl::Status& status) {
  return UsageError(absl::StrCat("--set: ", std::string(status.message())));
}

}  // namespace

std::string Millions(Cents cents) { return fmt::format("{:.1f}", cents.as_double() / 1e8); }

Operand ContractOperand() {
  return {"NAME", "a contract: a name of deploy/contracts (" +
                      std::string(BuiltInNames("contracts").front()) + "), or a path"};
}

Flag SetFlag() {
  return TextFlag("set", "FIELD=VALUE", "a field of the contract, as loan.instalments=24")
      .Repeatable();
}

std::vector<Flag> ContractFlags() {
  return {SetFlag(),
          IntegerFlag("term", "MONTHS", "another term of what is delivered",
                      {1, contracts::kMaxContractMonths}),
          Switch("exercise", "as if all options were exercised")};
}

absl::StatusOr<contracts::Contract> ReadSetContract(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(NamedText file, LoadNamedText("contracts", arguments.operand(0)));
  const auto overrides = ParseOverrides(arguments.Texts("set"));
  if (!overrides.ok()) return WrongSet(overrides.status());
  if (!overrides->empty()) {
    auto changed = WithOverrides(file.text, *overrides);
    if (!changed.ok()) return WrongSet(changed.status());
    file.text = *std::move(changed);
  }
  auto contract = contracts::ParseContract(file.name, file.text);
  if (!contract.ok() && !overrides->empty()) return WithoutLines(contract.status());
  return contract;
}

absl::StatusOr<contracts::Contract> ReadContract(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(contracts::Contract contract, ReadSetContract(arguments));
  if (arguments.Has("term")) {
    const double term = static_cast<double>(arguments.Integer("term"));
    contract.term_months = {term, term, term, Mark::kUnknown, "--term"};
  }
  if (arguments.On("exercise")) {
    if (contract.options.empty()) return UsageError("--exercise: the contract has no option");
    for (contracts::Option& option : contract.options) option.exercised = true;
  }
  return contract;
}

}  // namespace waferline::cli
