// What a JSON Schema demands of a value, without its detours: references followed, allOf merged;
// anyOf, oneOf, not, if and dependencies turned into alternatives. Each alternative is one
// SchemaFacts, all of which a value must satisfy at once.
//
// Keywords of drafts 4 to 2020-12. One that restricts values and cannot be honoured is an error
// that names it and its JSON pointer; one that only describes is ignored.
#pragma once

#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/char_automaton.h"
#include "wafer_backend/compute/grammar/numbers.h"

namespace waferline::grammar {

// A place in the schema document, which a value must satisfy, or violate. Equal places are the same
// demand.
struct SchemaNode {
  const boost::json::value* schema = nullptr;
  std::string pointer;  // for errors, "#/properties/a"
  bool negated = false;
  bool operator==(const SchemaNode& other) const {
    return schema == other.schema && negated == other.negated;
  }
  bool operator<(const SchemaNode& other) const {
    return std::tie(pointer, negated) < std::tie(other.pointer, other.negated);
  }
};

inline std::string_view ViewOf(const boost::json::string& text) {
  return {text.data(), text.size()};
}

enum SchemaType : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,   // numbers without a fraction
  kFraction = 8,  // other numbers
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAnyType = 127,
};

// Schemas around a view, and its own: what it evaluates counts for their unevaluated...
using Around = std::vector<const boost::json::value*>;

// One schema's view of an object or array; several are merged item by item.
struct ObjectView {
  std::vector<std::pair<std::string, SchemaNode>> properties;
  std::vector<std::pair<CharAutomaton, SchemaNode>> patterns;
  std::optional<SchemaNode> others;  // additionalProperties, if it is there
  // It lists properties: without a word on others there are none (schema_rules.h).
  bool declares = true;
  Around within = {};
};
struct ArrayView {
  std::vector<SchemaNode> first;  // prefixItems
  std::optional<SchemaNode> others;
  Around within = {};
};
// At least `min` and at most `max` items satisfy it.
struct Contains {
  SchemaNode node;
  size_t min = 1;
  size_t max = std::numeric_limits<size_t>::max();
};
// unevaluatedProperties or unevaluatedItems: what no view evaluates that lies within `owner`.
struct Unevaluated {
  SchemaNode node;
  const boost::json::value* owner = nullptr;
  Around within = {};
};

struct SchemaFacts {
  static constexpr size_t kNoMax = std::numeric_limits<size_t>::max();

  uint8_t types = kAnyType;
  std::optional<std::vector<const boost::json::value*>> values;  // enum, const
  std::string values_pointer;
  std::vector<const boost::json::value*> excluded;  // none of these
  std::string excluded_pointer;

  std::optional<NumberBound> min, max;
  std::optional<Multiple> multiple_of;
  std::vector<Multiple> no_multiple_of;

  std::vector<CharAutomaton> texts;
  size_t min_length = 0, max_length = kNoMax;

  std::vector<ArrayView> arrays;
  std::vector<Contains> contains;
  std::vector<Unevaluated> unevaluated_items;
  bool unique_items = false;
  size_t min_items = 0, max_items = kNoMax;

  std::vector<ObjectView> objects;
  std::vector<Unevaluated> unevaluated_properties;
  std::vector<std::string> required;
  std::vector<SchemaNode> names;  // propertyNames
  size_t min_properties = 0, max_properties = kNoMax;
  std::string pointer;  // of the schema that asked for objects or arrays, for errors
};

// Both must outlive what is returned. Bounds: kMaxAlternatives after anyOf and oneOf are multiplied
// out.
inline constexpr size_t kMaxAlternatives = 512;
absl::StatusOr<std::vector<SchemaFacts>> FactsOf(const std::vector<SchemaNode>& nodes,
                                                 const boost::json::value& document);

// Shows that no value satisfies both; false if it cannot be shown.
absl::StatusOr<bool> Exclusive(const SchemaNode& a, const SchemaNode& b,
                               const boost::json::value& document);

// What the views demand of the item at `index`, of the property `name`.
std::vector<SchemaNode> ItemDemands(const SchemaFacts& facts, size_t index);
std::vector<SchemaNode> PropertyDemands(const SchemaFacts& facts, const std::string& name);
// Whether `unevaluated` leaves a place alone that those views evaluate for which `does` holds.
template <typename View, typename Does>
bool Evaluates(const std::vector<View>& views, const Unevaluated& unevaluated, const Does& does) {
  for (const View& view : views) {
    if (!does(view)) continue;
    for (const boost::json::value* schema : view.within) {
      if (schema == unevaluated.owner) return true;
    }
  }
  return false;
}
// Whether another one, of a schema within its own, takes everything.
bool IsTaken(const std::vector<Unevaluated>& all, const Unevaluated& unevaluated);

// The texts that the facts allow for a string.
absl::StatusOr<CharAutomaton> StringTexts(const SchemaFacts& facts);

absl::Status SchemaError(std::string_view pointer, std::string_view keyword,
                         std::string_view message);
// `pointer` with one more step, escaped.
std::string PointerTo(const std::string& pointer, std::string_view step);

}  // namespace waferline::grammar
