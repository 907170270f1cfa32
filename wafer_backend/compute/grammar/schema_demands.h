// What is asked of a value before it is merged into facts: a schema to satisfy or to violate, or a
// part of that. Violating a schema is violating one of its keywords; each is a way of its own,
// which asks for several things at once.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/schema_facts.h"

namespace waferline::grammar {

struct Demand {
  enum Kind : uint8_t {
    kSchema,    // node
    kViolated,  // `keyword` of the schema at `node`, one that can be merged by itself
    kProperty,  // the property `name`, if it is there, satisfies node
    kPresent,   // an object that has the property `name`
    kIsObject,  // an object
  };
  Kind kind = kSchema;
  SchemaNode node = {};
  std::string_view keyword = {};
  std::string name = {};
  size_t index = 0;  // of prefixItems
  // Schemas that led here without a value in between, with their signs.
  std::vector<SchemaNode> path = {};
  bool annotates = true;  // not within a negation: what it evaluates is evaluated
};
using Demands = std::vector<Demand>;  // all of them

// The node's schema is an object. InvalidArgument names a keyword that no violation can be written
// for, if there is no other way; ways that cannot be written are left out else.
absl::StatusOr<std::vector<Demands>> WaysToViolate(const Demand& demand,
                                                   const boost::json::value& document);
// The alternatives that if, dependentRequired, dependentSchemas and dependencies stand for, each a
// list of ways; and what `not` asks for.
absl::StatusOr<std::vector<std::vector<Demands>>> Conditions(const Demand& demand);

// Merges one of kViolated to kIsObject. False: no value can satisfy it.
absl::StatusOr<bool> MergePart(const Demand& demand, SchemaFacts* facts);

// A schema that `from` has below `path`, of the same path and sign unless they are changed.
Demand DemandBelow(const Demand& from, const boost::json::value& schema, std::string pointer);
// What a $ref leads to.
absl::StatusOr<SchemaNode> ResolveReference(const SchemaNode& from,
                                            const boost::json::value& reference,
                                            const boost::json::value& document);

}  // namespace waferline::grammar
