// What the contract commands share: the contract, with what the flags change of it. Any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

// NAME of a contract.
Operand ContractOperand();
// --set of every contract command.
Flag SetFlag();
// --set, --term, --exercise.
std::vector<Flag> ContractFlags();

// The contract that the operand names, with what ContractFlags or SetFlag alone say.
absl::StatusOr<contracts::Contract> ReadContract(const Arguments& arguments);
absl::StatusOr<contracts::Contract> ReadSetContract(const Arguments& arguments);

// Cents in millions of dollars, "743.4".
std::string Millions(Cents cents);

}  // namespace waferline::cli
