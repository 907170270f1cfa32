// Pictures of a contract, as SVG documents. Pure.
#pragma once

#include <string>

#include "server/contracts/schedule.h"

namespace waferline::cli {

// Each month: committed, billed, recognised.
std::string DrawSchedule(const contracts::Contract& contract, const contracts::Schedule& schedule);
// By when obligations fall due, in percent: at the begin of `at`, and at each month for which
// something was disclosed next to what it said.
std::string DrawObligations(const contracts::Contract& contract,
                            const contracts::Schedule& schedule, Month at);

}  // namespace waferline::cli
