// Values that a schema lists, against what it demands.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/schema_facts.h"
#include "wafer_backend/compute/grammar/value_set.h"

namespace waferline::grammar {

// As JSON Schema compares: 1 and 1.0 are the same, the order of properties says nothing.
bool SameJson(const boost::json::value& a, const boost::json::value& b);
SchemaType TypeOf(const boost::json::value& value);

// Whether the value satisfies the facts.
absl::StatusOr<bool> Satisfies(const SchemaFacts& facts, const boost::json::value& value,
                               const boost::json::value& document);
absl::StatusOr<bool> SatisfiesAll(const std::vector<SchemaNode>& nodes,
                                  const boost::json::value& value,
                                  const boost::json::value& document);

// Those of `candidates` that satisfy the facts, which list all of them or none. In about linear
// time.
absl::StatusOr<Values> SatisfyingOf(const Values& candidates, const SchemaFacts& facts,
                                    const boost::json::value& document);

// The values that satisfy all nodes, if they can be listed: enum, const, true, false, null.
absl::StatusOr<std::optional<Values>> ListedValues(const std::vector<SchemaNode>& nodes,
                                                   const boost::json::value& document);

}  // namespace waferline::grammar
