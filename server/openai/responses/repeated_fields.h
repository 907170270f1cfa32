// What a response repeats of its request. A pure function; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace waferline::openai {

// Members of the response's object, each with "," before it: fields of the request, and what stands
// for those that were left out: `temperature` is the model's.
std::string RepeatedFields(const boost::json::object& request, float temperature);

}  // namespace waferline::openai
