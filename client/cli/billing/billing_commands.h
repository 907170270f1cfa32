// The commands about money: prices, contracts.
#pragma once

#include <string>

#include "server/money/money.h"
#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group PricesGroup();
Group ContractGroup();

Command ContractLoanCommand();

// NAME of a contract, as an operand; and cents in millions of dollars, "743.4".
Operand ContractOperand();
std::string Millions(Cents cents);

}  // namespace waferline::cli
