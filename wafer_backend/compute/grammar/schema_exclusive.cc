// Exclusive of schema_facts.h.
#include <algorithm>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/schema_values.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

constexpr int kMaxShown = 4;  // how deep it looks into properties

bool Disjoint(const json::value& document, const SchemaFacts& a, const SchemaFacts& b, int depth);

bool DisjointNodes(const json::value& document, const std::vector<SchemaNode>& a,
                   const std::vector<SchemaNode>& b, int depth) {
  const auto left = FactsOf(a, document), right = FactsOf(b, document);
  if (!left.ok() || !right.ok()) return false;
  for (const SchemaFacts& x : *left) {
    for (const SchemaFacts& y : *right) {
      if (!Disjoint(document, x, y, depth)) return false;
    }
  }
  return true;
}

// A property that both need, of values that are never the same: a tag.
bool DisjointObjects(const json::value& document, const SchemaFacts& a, const SchemaFacts& b,
                     int depth) {
  if (depth >= kMaxShown) return false;
  for (const std::string& name : a.required) {
    if (std::find(b.required.begin(), b.required.end(), name) == b.required.end()) continue;
    const auto schemas = [&](const SchemaFacts& facts) {
      std::vector<SchemaNode> nodes;
      for (const ObjectView& view : facts.objects) {
        for (const auto& [key, node] : view.properties) {
          if (key == name) nodes.push_back(node);
        }
      }
      return nodes;
    };
    if (DisjointNodes(document, schemas(a), schemas(b), depth + 1)) return true;
  }
  return false;
}

uint8_t TypesOf(const SchemaFacts& facts) {
  if (!facts.values) return facts.types;
  uint8_t types = 0;
  for (const json::value* value : *facts.values) types |= TypeOf(*value);
  return types & facts.types;
}

bool Disjoint(const json::value& document, const SchemaFacts& a, const SchemaFacts& b, int depth) {
  const uint8_t shared = TypesOf(a) & TypesOf(b);
  if (shared == 0) return true;
  if (a.values && b.values) {
    if (!WorkMeter::Spend(5 * (a.values->size() + b.values->size())).ok()) return false;
    const ValueSet left(*a.values);
    return std::none_of(b.values->begin(), b.values->end(),
                        [&](const json::value* one) { return left.Contains(*one); });
  }
  if (a.values || b.values) return false;
  if ((shared & ~kObject & ~kString & ~(kInteger | kFraction)) != 0) return false;
  if ((shared & kObject) != 0 && !DisjointObjects(document, a, b, depth)) return false;
  if ((shared & kString) != 0) {
    const auto x = StringTexts(a), y = StringTexts(b);
    if (!x.ok() || !y.ok()) return false;
    const auto both = x->And(*y);
    if (!both.ok() || !both->empty()) return false;
  }
  if ((shared & (kInteger | kFraction)) != 0) {
    const auto below = [](const std::optional<NumberBound>& max,
                          const std::optional<NumberBound>& min) {
      if (!max || !min) return false;
      return CompareDecimals(max->value, min->value) < (max->inclusive && min->inclusive ? 0 : 1);
    };
    if (!below(a.max, b.min) && !below(b.max, a.min)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<bool> Exclusive(const SchemaNode& a, const SchemaNode& b,
                               const json::value& document) {
  WL_ASSIGN_OR_RETURN(const auto left, FactsOf({a}, document));
  WL_ASSIGN_OR_RETURN(const auto right, FactsOf({b}, document));
  for (const SchemaFacts& x : left) {
    for (const SchemaFacts& y : right) {
      if (!Disjoint(document, x, y, 0)) return false;
    }
  }
  return true;
}

}  // namespace waferline::grammar
