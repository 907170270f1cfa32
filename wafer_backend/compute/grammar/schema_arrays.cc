// The arrays of SchemaRules.
#include <algorithm>
#include <bit>
#include <map>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/schema_rules.h"
#include "wafer_backend/compute/grammar/schema_values.h"

namespace waferline::grammar {
namespace {

constexpr size_t kMaxSets = 2048;  // of values that an array of distinct ones has had so far
constexpr size_t kMaxDistinct = 64;

// From here on all items are alike.
size_t FirstAlike(const SchemaFacts& facts) {
  size_t first = facts.min_items;
  for (const ArrayView& view : facts.arrays) first = std::max(first, view.first.size());
  return first;
}

// The values that items may have, and which of them fit a place.
struct Distinct {
  Values values;
  std::vector<std::vector<bool>> fits;  // by place, by value; the last is of all others
};

// None if they cannot be listed, or are too many.
absl::StatusOr<std::optional<Distinct>> DistinctOf(const SchemaFacts& facts, size_t alike,
                                                   const boost::json::value& document) {
  Distinct out;
  for (size_t i = 0; i <= std::min(alike, facts.max_items - 1); ++i) {
    WL_ASSIGN_OR_RETURN(const auto listed, ListedValues(ItemDemands(facts, i), document));
    if (!listed) return std::optional<Distinct>();
    std::vector<bool>& here = out.fits.emplace_back(out.values.size());
    for (const auto* one : *listed) {
      const auto same = [&](const auto* other) { return SameJson(*one, *other); };
      const auto found = std::find_if(out.values.begin(), out.values.end(), same);
      const auto number = static_cast<size_t>(found - out.values.begin());
      if (found == out.values.end()) out.values.push_back(one);
      here.resize(out.values.size());
      here[number] = true;
      if (out.values.size() > kMaxDistinct) return std::optional<Distinct>();
    }
  }
  return std::optional<Distinct>(std::move(out));
}

}  // namespace

// A state for each number of items so far and of those that `contains` counts, as far as they
// matter. With a most, all that are not counted violate it; without, any item may be left
// uncounted.
absl::Status SchemaRules::WriteArray(const SchemaFacts& facts, StateId from, StateId to) {
  if (facts.min_items > facts.max_items) return absl::OkStatus();
  if (facts.unique_items && facts.max_items > 1) return WriteDistinct(facts, from, to);
  if (facts.contains.size() > 1) {
    return SchemaError(facts.pointer, "contains", "is supported once in a schema");
  }
  const Contains contains =
      facts.contains.empty() ? Contains{.node = {}, .min = 0} : facts.contains[0];
  if (contains.min > contains.max) return absl::OkStatus();
  const bool counts = !facts.contains.empty(), most = contains.max != SchemaFacts::kNoMax;
  const size_t top = most ? contains.max : contains.min;
  const bool bounded = facts.max_items != SchemaFacts::kNoMax;
  const size_t alike = FirstAlike(facts);
  const size_t last = bounded ? facts.max_items : std::max<size_t>(alike, 1);
  const auto item = [&](size_t i, int counted) {
    std::vector<SchemaNode> nodes = ItemDemands(facts, i);
    if (counted != 0) {
      nodes.push_back(contains.node);
      if (counted < 0) nodes.back().negated = !nodes.back().negated;
    }
    return RuleFor(std::move(nodes));
  };
  const StateId end = builder_->NewState();
  builder_->Bytes(end, ']', ']', to);
  const auto row = [&] {
    std::vector<StateId> states;
    for (size_t c = 0; c <= top && !builder_->full(); ++c) states.push_back(builder_->NewState());
    return states;
  };
  std::vector<StateId> at = row();
  if (builder_->full()) return absl::OkStatus();
  builder_->Bytes(from, '[', '[', at[0]);
  // Rules are looked for where items begin to differ or end to; in between they stay.
  RuleId any = 0, counted = 0;
  for (size_t i = 0; i <= last && !builder_->full(); ++i) {
    for (size_t c = contains.min; c <= top && i >= facts.min_items; ++c) {
      builder_->Jump(at[c], end);
    }
    if (bounded && i == last) break;
    if (i <= alike) {
      any = item(i, most ? -1 : 0);
      if (counts) counted = item(i, 1);
    }
    const std::vector<StateId> next = i == last ? at : row();
    for (size_t c = 0; c <= top && !builder_->full(); ++c) {
      const StateId before = builder_->NewState();
      i == 0 ? builder_->Jump(at[c], before) : Comma(at[c], before);
      builder_->Call(before, any, next[c]);
      if (c < top) builder_->Call(before, counted, next[c + 1]);
    }
    at = next;
  }
  return absl::OkStatus();
}

// The set of values so far is the state, which only lists of values have.
absl::Status SchemaRules::WriteDistinct(const SchemaFacts& facts, StateId from, StateId to) {
  const size_t alike = FirstAlike(facts);
  const auto unsupported = [&] {
    return SchemaError(facts.pointer, "uniqueItems",
                       absl::StrCat("is supported where its items are listed (enum, const, "
                                    "boolean, null) and make at most ",
                                    kMaxSets, " different sets: 11 values, or fewer items"));
  };
  WL_ASSIGN_OR_RETURN(const auto choice, DistinctOf(facts, alike, document_));
  if (!choice) return unsupported();
  const Values& values = choice->values;
  const auto& fits = choice->fits;
  const auto is_end = [&](uint64_t set) -> absl::StatusOr<bool> {
    if (static_cast<size_t>(std::popcount(set)) < facts.min_items) return false;
    for (const Contains& contains : facts.contains) {
      size_t count = 0;
      for (size_t v = 0; v < values.size(); ++v) {
        if ((set >> v & 1) == 0) continue;
        WL_ASSIGN_OR_RETURN(const bool counts,
                            SatisfiesAll({contains.node}, *values[v], document_));
        count += counts ? 1 : 0;
      }
      if (count < contains.min || count > contains.max) return false;
    }
    return true;
  };
  const StateId end = builder_->NewState();
  builder_->Bytes(end, ']', ']', to);
  std::map<uint64_t, StateId> state = {{0, builder_->NewState()}};
  std::vector<uint64_t> sets = {0};
  builder_->Bytes(from, '[', '[', state[0]);
  for (size_t i = 0; i < sets.size() && !builder_->full(); ++i) {
    const uint64_t set = sets[i];
    const StateId at = state[set];
    WL_ASSIGN_OR_RETURN(const bool may_end, is_end(set));
    if (may_end) builder_->Jump(at, end);
    const auto size = static_cast<size_t>(std::popcount(set));
    if (size >= facts.max_items) continue;
    const StateId before = builder_->NewState();
    size == 0 ? builder_->Jump(at, before) : Comma(at, before);
    const std::vector<bool>& here = fits[std::min(size, fits.size() - 1)];
    for (size_t v = 0; v < here.size(); ++v) {
      if (!here[v] || (set >> v & 1) != 0) continue;
      const auto [entry, added] = state.try_emplace(set | uint64_t{1} << v, 0);
      if (added) {
        entry->second = builder_->NewState();
        sets.push_back(entry->first);
        if (sets.size() > kMaxSets) return unsupported();
      }
      builder_->Literal(before, JsonText(*values[v], literals_), entry->second);
    }
  }
  return absl::OkStatus();
}

}  // namespace waferline::grammar
