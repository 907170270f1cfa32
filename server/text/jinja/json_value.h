// JSON (a request's messages and tools) as values of a template.
#pragma once

#include <boost/json/value.hpp>

#include "server/text/jinja/value.h"

namespace waferline::jinja {

// Texts in it have `origin`, at any depth; keys are the template's.
Value FromJson(const boost::json::value& json, Text::Origin origin);

}  // namespace waferline::jinja
