// A report as JSON, and two such documents compared.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "scheduler/simulator/report.h"

namespace waferline::simulator {

// Durations in milliseconds, rates a second, shares from 0 to 1.
boost::json::object ToJson(const Report& report);

// A report with every field that a report can have, for its names only: the numbers mean nothing.
// Fields of goodput are there if there are objectives.
boost::json::object EveryField(bool has_objectives);

// Indented, two spaces; numbers as Boost.JSON prints them.
std::string Pretty(const boost::json::value& value);

struct Difference {
  std::string field;    // "ttft_ms.p99"
  std::string a, b;     // as printed; "" where it is missing
  double relative = 0;  // (b - a) / a of numbers; 0 for others and where a is 0
};
// Every field that differs, in the order of `a`, then those only in `b`.
std::vector<Difference> Compare(const boost::json::value& a, const boost::json::value& b);

}  // namespace waferline::simulator
