// Reads the keywords of one schema object into SchemaFacts: those that can be read by themselves.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "absl/status/status.h"
#include "wafer_backend/compute/grammar/schema_facts.h"

namespace waferline::grammar {

// `node.schema` is an object. Adds its demands to `facts`; $ref, allOf, anyOf and oneOf are left to
// the caller. An error names the keyword: it is unknown, not supported, or has a wrong value.
absl::Status ReadKeywords(const SchemaNode& node, SchemaFacts* facts);

}  // namespace waferline::grammar
