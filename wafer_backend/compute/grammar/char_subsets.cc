// CharAutomaton::From: the subset construction.
#include <algorithm>
#include <map>
#include <utility>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/char_automaton.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

// A subset of an Nfa's states, sorted; the flag says that the text has ended there.
using Subset = std::vector<std::pair<uint32_t, bool>>;

class Closer {
 public:
  explicit Closer(const CharNfa& nfa) : nfa_(nfa), seen_(nfa.states.size() * 2) {}

  // `open` and what it leads to without a character.
  Subset Close(Subset open, bool at_start) {
    Subset all;
    const auto visit = [&](std::pair<uint32_t, bool> one) {
      if (std::exchange(seen_[one.first * 2 + (one.second ? 1 : 0)], true)) return;
      all.push_back(one);
    };
    for (const auto& one : open) visit(one);
    for (size_t i = 0; i < all.size(); ++i) {
      const auto [state, ended] = all[i];
      for (const CharNfa::Edge& edge : nfa_.states[state]) {
        if (edge.kind == CharNfa::Edge::kChars ||
            (edge.kind == CharNfa::Edge::kStart && !at_start)) {
          continue;
        }
        visit({edge.to, ended || edge.kind == CharNfa::Edge::kEnd});
      }
    }
    for (const auto& [state, ended] : all) seen_[state * 2 + (ended ? 1 : 0)] = false;
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  const CharNfa& nfa_;
  std::vector<uint8_t> seen_;
};

// The characters of a subset's edges, cut where an edge begins or ends, and where each part leads.
struct Cuts {
  std::vector<uint32_t> borders;
  std::vector<Subset> targets;  // between a border and the next
};

Cuts CutsOf(const CharNfa& nfa, const Subset& subset) {
  Cuts cuts;
  std::vector<CharNfa::Edge> edges;
  for (const auto& [at, ended] : subset) {
    if (ended) continue;
    for (const CharNfa::Edge& edge : nfa.states[at]) {
      if (edge.kind != CharNfa::Edge::kChars) continue;
      edges.push_back(edge);
      cuts.borders.push_back(edge.range.lo);
      cuts.borders.push_back(edge.range.hi + 1);
    }
  }
  std::sort(cuts.borders.begin(), cuts.borders.end());
  cuts.borders.erase(std::unique(cuts.borders.begin(), cuts.borders.end()), cuts.borders.end());
  cuts.targets.resize(cuts.borders.size());
  for (const CharNfa::Edge& edge : edges) {
    const auto first = std::lower_bound(cuts.borders.begin(), cuts.borders.end(), edge.range.lo);
    for (size_t b = static_cast<size_t>(first - cuts.borders.begin());
         cuts.borders[b] <= edge.range.hi; ++b) {
      cuts.targets[b].emplace_back(edge.to, false);
    }
  }
  return cuts;
}

}  // namespace

absl::StatusOr<CharAutomaton> CharAutomaton::From(const CharNfa& nfa) {
  CharAutomaton out;
  Closer closer(nfa);
  std::map<Subset, uint32_t> number;
  std::vector<const Subset*> subsets;  // of `number`
  const auto find = [&](Subset subset) {
    const auto [entry, added] =
        number.try_emplace(std::move(subset), static_cast<uint32_t>(subsets.size()));
    if (added) subsets.push_back(&entry->first);
    return entry->second;
  };
  find(closer.Close({{0, false}}, /*at_start=*/true));
  for (size_t i = 0; i < subsets.size(); ++i) {
    if (subsets.size() > kMaxCharStates) return TooLarge();
    State& state = out.states_.emplace_back();
    for (const auto& [at, ended] : *subsets[i]) state.accepts |= at == nfa.accept;
    Cuts cuts = CutsOf(nfa, *subsets[i]);
    size_t steps = subsets[i]->size();
    for (size_t b = 0; b + 1 < cuts.borders.size(); ++b) {
      if (cuts.targets[b].empty()) continue;
      Subset next = closer.Close(std::move(cuts.targets[b]), false);
      steps += next.size();
      AppendEdge({cuts.borders[b], cuts.borders[b + 1] - 1}, find(std::move(next)), &state.edges);
    }
    WL_RETURN_IF_ERROR(WorkMeter::Spend(steps));
  }
  out.Trim();
  return out;
}

}  // namespace waferline::grammar
