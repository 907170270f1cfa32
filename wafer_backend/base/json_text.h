// JSON as people read it: 0.5 and 0.0, not 5E-1 and 0E0. Pure functions, any thread.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace waferline {

// One line without spaces. A number that is not finite, which JSON cannot say, becomes null.
std::string JsonText(const boost::json::value& value);

// The shortest text that reads back as the same double, and as a double: 1.0, not 1.
void AppendJsonNumber(std::string& out, double value);

}  // namespace waferline
