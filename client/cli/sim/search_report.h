// The result of `waferctl sim search` as a table, JSON and a page of HTML. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "client/cli/sim/fleet_finder.h"

namespace waferline::cli {

// What the three share: a candidate's fields and values; what is minimised; why there is no answer.
std::string LabelOf(const FinderInput& input, const FoundFleet& found, size_t candidate);
std::string_view MinimisedName(Minimise minimise);
std::string InfeasibleText(const FinderInput& input, const FoundFleet& found);

std::string SearchText(const FinderInput& input, const FoundFleet& found);
boost::json::object SearchJson(const FinderInput& input, const FoundFleet& found);
std::string SearchPage(const FinderInput& input, const FoundFleet& found);

}  // namespace waferline::cli
