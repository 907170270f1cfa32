// What the usage databases of a simulated cloud must say once all front ends have ended: each
// answer that a client got complete is recorded once, with what it got; what no client got is
// charged to no one; the ledger verifies.
#pragma once

#include <cstdint>
#include <string>

#include "server/billing/price_book.h"
#include "server/simulated/client.h"
#include "server/simulated/cloud.h"

namespace waferline::simulated {

// Of the simulated clouds; the same each time.
const billing::PriceBook& Prices();

// Opens the front end's database as its next server would, which settles what dead ones left, and
// compares it with what clients asked there. On a thread of `process`.
void CheckBooks(Cloud* cloud, Cloud::Front* front, Process* process);

}  // namespace waferline::simulated
