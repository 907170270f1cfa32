// Contracts' results as JSON. Amounts are decimal text.
#pragma once

#include <boost/json/object.hpp>

#include "server/contracts/concentration.h"
#include "server/contracts/schedule.h"

namespace waferline::cli {

boost::json::object ScheduleJson(const contracts::Contract& contract,
                                 const contracts::Schedule& schedule);
boost::json::object LoanJson(const contracts::LoanMonth& row);
boost::json::object ConcentrationJson(const contracts::Concentration& concentration);

}  // namespace waferline::cli
