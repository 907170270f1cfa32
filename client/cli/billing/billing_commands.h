// The commands about money: prices, contracts, invoices, the ledger.
#pragma once

#include <vector>

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group PricesGroup();
Group ContractGroup();
// Invoices and the ledger, of a server or of a store.
Group BooksGroup();

std::vector<Command> LedgerCommands();

Command ContractLoanCommand();

}  // namespace waferline::cli
