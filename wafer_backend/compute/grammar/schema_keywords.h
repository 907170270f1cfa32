// Reads the keywords of one schema object into SchemaFacts: those that can be read by themselves.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/schema_facts.h"

namespace waferline::grammar {

// `node.schema` is an object. Adds its demands to `facts`; $ref, and what combines schemas or
// depends on others, is left to the caller. An error names the keyword: it is unknown, not
// supported, or has a wrong value.
absl::Status ReadKeywords(const SchemaNode& node, SchemaFacts* facts);

// OK if the keyword restricts nothing; an error that names one that does, or that is not known.
absl::Status CheckDescribes(const SchemaNode& node, std::string_view keyword);
absl::StatusOr<Multiple> ParseMultiple(const SchemaNode& node, const boost::json::value& value);

}  // namespace waferline::grammar
