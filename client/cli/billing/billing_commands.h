// The commands about money: prices, contracts.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group PricesGroup();
Group ContractGroup();

Command ContractLoanCommand();

}  // namespace waferline::cli
