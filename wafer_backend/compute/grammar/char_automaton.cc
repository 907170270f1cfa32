#include "wafer_backend/compute/grammar/char_automaton.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

using CharEdge = CharAutomaton::Edge;

}  // namespace

void AppendEdge(CharRange range, uint32_t to, std::vector<CharEdge>* edges) {
  if (!edges->empty() && edges->back().to == to && edges->back().range.hi + 1 == range.lo) {
    edges->back().range.hi = range.hi;
  } else {
    edges->push_back({range, to});
  }
}

absl::Status CharAutomaton::TooLarge() {
  return absl::InvalidArgumentError(
      absl::StrCat("too large: its automaton has more than ", kMaxCharStates, " states"));
}

CharSet Normal(CharSet set) {
  std::sort(set.begin(), set.end(), [](auto a, auto b) { return a.lo < b.lo; });
  CharSet out;
  for (const CharRange& range : set) {
    if (!out.empty() && range.lo <= out.back().hi + 1) {
      out.back().hi = std::max(out.back().hi, range.hi);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

CharSet Others(const CharSet& set) {
  CharSet out;
  uint32_t next = 0;
  for (const CharRange& range : Normal(set)) {
    if (range.lo > next) out.push_back({next, range.lo - 1});
    next = range.hi + 1;
  }
  if (next <= kLastChar) out.push_back({next, kLastChar});
  return out;
}

CharAutomaton CharAutomaton::All() { return OfLength(0, kNoMax); }

CharAutomaton CharAutomaton::OfLength(size_t min, size_t max) {
  CharAutomaton out;
  if (min > max) return out;
  const bool bounded = max != kNoMax;
  const size_t last = bounded ? max : min;
  for (size_t i = 0; i <= last; ++i) {
    State& state = out.states_.emplace_back();
    state.accepts = i >= min;
    if (i < last || !bounded) {
      state.edges.push_back({{0, kLastChar}, static_cast<uint32_t>(std::min(i + 1, last))});
    }
  }
  return out;
}

CharAutomaton CharAutomaton::OneOf(const std::vector<std::string_view>& texts) {
  CharAutomaton out;
  std::vector<std::map<uint32_t, uint32_t>> tree(1);
  std::set<uint32_t> accepting;
  for (const std::string_view text : texts) {
    uint32_t at = 0;
    for (const uint32_t c : CharsOf(text)) {
      const auto [entry, added] = tree[at].try_emplace(c, static_cast<uint32_t>(tree.size()));
      at = entry->second;
      if (added) tree.emplace_back();
    }
    accepting.insert(at);
  }
  for (uint32_t i = 0; i < tree.size(); ++i) {
    State& state = out.states_.emplace_back();
    state.accepts = accepting.contains(i);
    for (const auto& [c, to] : tree[i]) state.edges.push_back({{c, c}, to});
  }
  out.Trim();
  return out;
}

absl::StatusOr<CharAutomaton> CharAutomaton::And(const CharAutomaton& other) const {
  CharAutomaton out;
  if (empty() || other.empty()) return out;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> number = {{{0, 0}, 0}};
  std::vector<std::pair<uint32_t, uint32_t>> pairs = {{0, 0}};
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs.size() > kMaxCharStates) return TooLarge();
    WL_RETURN_IF_ERROR(WorkMeter::Spend(states_[pairs[i].first].edges.size() +
                                        other.states_[pairs[i].second].edges.size() + 1));
    const State& a = states_[pairs[i].first];
    const State& b = other.states_[pairs[i].second];
    State state;
    state.accepts = a.accepts && b.accepts;
    for (size_t x = 0, y = 0; x < a.edges.size() && y < b.edges.size();) {
      const CharRange& r = a.edges[x].range;
      const CharRange& s = b.edges[y].range;
      const uint32_t lo = std::max(r.lo, s.lo), hi = std::min(r.hi, s.hi);
      if (lo <= hi) {
        const std::pair<uint32_t, uint32_t> to(a.edges[x].to, b.edges[y].to);
        const auto [entry, added] = number.try_emplace(to, static_cast<uint32_t>(pairs.size()));
        if (added) pairs.push_back(to);
        AppendEdge({lo, hi}, entry->second, &state.edges);
      }
      (r.hi < s.hi ? x : y) += 1;
    }
    out.states_.push_back(std::move(state));
  }
  out.Trim();
  return out;
}

CharAutomaton CharAutomaton::Not() const {
  if (empty()) return All();
  CharAutomaton out = *this;
  const auto sink = static_cast<uint32_t>(states_.size());
  out.states_.push_back({{{{0, kLastChar}, sink}}, false});
  for (State& state : out.states_) {
    state.accepts = !state.accepts;
    std::vector<Edge> edges;
    uint32_t next = 0;
    for (const Edge& edge : state.edges) {
      if (edge.range.lo > next) AppendEdge({next, edge.range.lo - 1}, sink, &edges);
      AppendEdge(edge.range, edge.to, &edges);
      next = edge.range.hi + 1;
    }
    if (next <= kLastChar) AppendEdge({next, kLastChar}, sink, &edges);
    state.edges = std::move(edges);
  }
  out.Trim();
  return out;
}

void CharAutomaton::Trim() {
  // Which states lead to an accepting one.
  std::vector<std::vector<uint32_t>> into(states_.size());
  std::vector<uint32_t> open;
  std::vector<bool> live(states_.size());
  for (uint32_t i = 0; i < states_.size(); ++i) {
    for (const Edge& edge : states_[i].edges) into[edge.to].push_back(i);
    if (!states_[i].accepts) continue;
    live[i] = true;
    open.push_back(i);
  }
  while (!open.empty()) {
    const uint32_t at = open.back();
    open.pop_back();
    for (const uint32_t from : into[at]) {
      if (live[from]) continue;
      live[from] = true;
      open.push_back(from);
    }
  }
  if (states_.empty() || !live[0]) {
    states_.clear();
    return;
  }
  std::vector<uint32_t> number(states_.size());
  uint32_t count = 0;
  for (uint32_t i = 0; i < states_.size(); ++i) number[i] = live[i] ? count++ : 0;
  std::vector<State> kept;
  for (uint32_t i = 0; i < states_.size(); ++i) {
    if (!live[i]) continue;
    State state{{}, states_[i].accepts};
    for (const Edge& edge : states_[i].edges) {
      if (live[edge.to]) AppendEdge(edge.range, number[edge.to], &state.edges);
    }
    kept.push_back(std::move(state));
  }
  states_ = std::move(kept);
}

bool CharAutomaton::Contains(std::string_view utf8) const {
  if (empty()) return false;
  uint32_t at = 0;
  for (const uint32_t c : CharsOf(utf8)) {
    const auto& edges = states_[at].edges;
    const auto found = std::find_if(edges.begin(), edges.end(), [c](const CharEdge& edge) {
      return edge.range.lo <= c && c <= edge.range.hi;
    });
    if (found == edges.end()) return false;
    at = found->to;
  }
  return states_[at].accepts;
}

std::vector<uint32_t> CharsOf(std::string_view utf8) {
  std::vector<uint32_t> chars;
  for (size_t i = 0; i < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c = length == 1 ? first : first & (0xffu >> (length + 1));
    for (size_t k = 1; k < length && i + k < utf8.size(); ++k) {
      c = c << 6 | (static_cast<unsigned char>(utf8[i + k]) & 0x3f);
    }
    chars.push_back(c);
    i += length;
  }
  return chars;
}

}  // namespace waferline::grammar
