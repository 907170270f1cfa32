#include "wafer_backend/compute/grammar/rules.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/vocabulary_tries.h"

namespace waferline::grammar {
namespace {

constexpr uint32_t kByteKind = 0, kCallKind = 1u << 30, kJumpKind = 2u << 30;
constexpr uint32_t kIndexMask = (1u << 30) - 1;

template <typename Edge>
std::vector<uint32_t> SortByFrom(std::vector<Edge>* edges, size_t states) {
  std::stable_sort(edges->begin(), edges->end(),
                   [](const Edge& a, const Edge& b) { return a.from < b.from; });
  std::vector<uint32_t> start(states + 1, 0);
  for (const Edge& edge : *edges) ++start[edge.from + 1];
  for (size_t s = 0; s < states; ++s) start[s + 1] += start[s];
  return start;
}

}  // namespace

StateId RuleBuilder::NewState() {
  if (states_ >= kMaxStates) {
    full_ = true;
    return static_cast<StateId>(states_ - 1);
  }
  return static_cast<StateId>(states_++);
}

RuleId RuleBuilder::NewRule(std::string name) {
  const StateId start = NewState();
  rules_.push_back({start, NewState(), std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

void RuleBuilder::Bytes(StateId from, uint8_t lo, uint8_t hi, StateId to) {
  full_ |= bytes_.size() >= kMaxEdges;
  if (!full_) bytes_.push_back({from, lo, hi, to});
}

void RuleBuilder::Literal(StateId from, std::string_view text, StateId to) {
  if (text.empty()) return Jump(from, to);
  for (size_t i = 0; i < text.size(); ++i) {
    const StateId next = i + 1 == text.size() ? to : NewState();
    const auto byte = static_cast<uint8_t>(text[i]);
    Bytes(from, byte, byte, next);
    from = next;
  }
}

void RuleBuilder::OneOf(StateId from, std::span<const std::string> texts, StateId to) {
  std::vector<std::string_view> sorted(texts.begin(), texts.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  // Along the last text: `path[n]` is behind its first n bytes. A text that begins the next one
  // goes on there, any other ends at `to`.
  std::vector<StateId> path = {from};
  for (size_t i = 0; i < sorted.size() && !full_; ++i) {
    const std::string_view text = sorted[i];
    const std::string_view last = i == 0 ? std::string_view() : sorted[i - 1];
    const auto differ = std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first;
    path.resize(static_cast<size_t>(differ - text.begin()) + 1);
    const bool goes_on = i + 1 < sorted.size() && sorted[i + 1].starts_with(text);
    for (size_t n = path.size() - 1; n < text.size(); ++n) {
      path.push_back(n + 1 == text.size() && !goes_on ? to : NewState());
      const auto byte = static_cast<uint8_t>(text[n]);
      Bytes(path[n], byte, byte, path[n + 1]);
    }
    if (goes_on || text.empty()) Jump(path[text.size()], to);
  }
}

void RuleBuilder::Call(StateId from, RuleId rule, StateId after) {
  full_ |= calls_.size() >= kMaxEdges;
  if (!full_) calls_.push_back({from, rule, after});
}

void RuleBuilder::Jump(StateId from, StateId to) {
  full_ |= jumps_.size() >= kMaxEdges;
  if (!full_ && from != to) jumps_.push_back({from, to});
}

absl::StatusOr<Rules> RuleBuilder::Finish(RuleId root,
                                          const std::array<bool, 256>& available) const {
  if (full_) {
    return absl::InvalidArgumentError(absl::StrCat("the grammar is too large: more than ",
                                                   kMaxStates, " states or ", kMaxEdges, " edges"));
  }
  Rules rules;
  rules.root_ = root;
  rules.rules_ = rules_;
  rules.calls_ = calls_;
  rules.jumps_ = jumps_;
  rules.counted_ = counted_;
  for (const ByteEdge& edge : bytes_) {
    for (int lo = edge.lo; lo <= edge.hi; ++lo) {
      if (!available[lo]) continue;
      int hi = lo;
      while (hi < edge.hi && available[hi + 1]) ++hi;
      rules.bytes_.push_back(
          {edge.from, static_cast<uint8_t>(lo), static_cast<uint8_t>(hi), edge.to});
      lo = hi;
    }
  }
  rules.is_end_.resize(states_);
  for (const Rule& rule : rules_) rules.is_end_[rule.end] = true;
  rules.Index();
  rules.FindCosts(/*bytes=*/false, &rules.depth_);
  if (rules.depth_[rules.root().start] > kMaxDepth) {
    return absl::InvalidArgumentError(
        rules.depth_[rules.root().start] == kNever
            ? "no text can satisfy it"
            : absl::StrCat("every text of it nests deeper than ", kMaxDepth, " rules"));
  }
  rules.FindCosts(/*bytes=*/true, &rules.shortest_);
  WL_RETURN_IF_ERROR(rules.CheckLeftRecursion());
  rules.FindClasses();
  rules.FindPlainRuns(plain_);
  return rules;
}

void Rules::Index() {
  byte_start_ = SortByFrom(&bytes_, states());
  call_start_ = SortByFrom(&calls_, states());
  jump_start_ = SortByFrom(&jumps_, states());
}

void Rules::FindCosts(bool bytes, std::vector<uint32_t>* cost) {
  const size_t n = states();
  // What waits for a state: edges that lead to it, and calls of the rule that it starts.
  struct Waiting {
    StateId from;  // of the edge
    uint32_t edge;
  };
  std::vector<std::vector<Waiting>> waiting(n);
  for (uint32_t i = 0; i < bytes_.size(); ++i) {
    waiting[bytes_[i].to].push_back({bytes_[i].from, kByteKind | i});
  }
  for (uint32_t i = 0; i < jumps_.size(); ++i) {
    waiting[jumps_[i].to].push_back({jumps_[i].from, kJumpKind | i});
  }
  for (uint32_t i = 0; i < calls_.size(); ++i) {
    waiting[calls_[i].after].push_back({calls_[i].from, kCallKind | i});
    waiting[rules_[calls_[i].rule].start].push_back({calls_[i].from, kCallKind | i});
  }
  std::vector<bool> done(n);
  best_.assign(n, kNever);
  cost->assign(n, kNever);
  using Entry = std::pair<uint32_t, StateId>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (StateId s = 0; s < n; ++s) {
    if (is_end_[s]) {
      (*cost)[s] = 0;
      queue.emplace(0, s);
    }
  }
  while (!queue.empty()) {
    const StateId s = queue.top().second;
    queue.pop();
    if (done[s]) continue;
    done[s] = true;
    for (const Waiting& w : waiting[s]) {
      uint32_t total = (*cost)[s];
      if ((w.edge & kCallKind) != 0) {
        const CallEdge& call = calls_[w.edge & kIndexMask];
        const StateId start = rules_[call.rule].start;
        if (!done[start] || !done[call.after]) continue;
        const uint32_t inside = (*cost)[start], behind = (*cost)[call.after];
        // A sum that is too long to count stays too long.
        total = bytes ? std::min(inside + behind, kNever / 4) : std::max(inside + 1, behind);
      } else if (bytes && (w.edge & kJumpKind) == 0) {
        total = std::min(total + 1, kNever / 4);
      }
      if (total < (*cost)[w.from]) {
        (*cost)[w.from] = total;
        best_[w.from] = w.edge;
        queue.emplace(total, w.from);
      }
    }
  }
}

// A rule that calls itself with nothing read before is a cycle with a call among the moves that
// read nothing; Tarjan's strongly connected components find it in linear time.
absl::Status Rules::CheckLeftRecursion() const {
  const auto moves = [&](StateId s, auto&& visit) {
    for (const JumpEdge& jump : jumps(s)) visit(jump.to);
    for (const CallEdge& call : calls(s)) {
      const StateId start = rules_[call.rule].start;
      visit(start);
      if (shortest_[start] == 0) visit(call.after);
    }
  };
  std::vector<uint32_t> number(states(), 0), low(states(), 0), component(states(), 0);
  std::vector<StateId> open;
  struct Frame {
    StateId state;
    std::vector<StateId> next;
  };
  std::vector<Frame> path;
  uint32_t numbers = 0;
  const auto enter = [&](StateId s) {
    number[s] = low[s] = ++numbers;
    open.push_back(s);
    path.push_back({s, {}});
    moves(s, [&](StateId t) { path.back().next.push_back(t); });
  };
  for (StateId root = 0; root < states(); ++root) {
    if (number[root] != 0) continue;
    enter(root);
    while (!path.empty()) {
      const StateId s = path.back().state;
      if (path.back().next.empty()) {
        path.pop_back();
        if (!path.empty()) low[path.back().state] = std::min(low[path.back().state], low[s]);
        if (low[s] != number[s]) continue;
        for (StateId t = kNever; t != s;) {
          t = open.back();
          open.pop_back();
          component[t] = number[s];
        }
        continue;
      }
      const StateId t = path.back().next.back();
      path.back().next.pop_back();
      if (number[t] == 0) {
        enter(t);
      } else if (component[t] == 0) {
        low[s] = std::min(low[s], number[t]);
      }
    }
  }
  for (const CallEdge& call : calls_) {
    if (component[call.from] != component[rules_[call.rule].start]) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the rule '", rules_[call.rule].name,
                     "' is left-recursive: it can call itself before it has read anything"));
  }
  return absl::OkStatus();
}

void Rules::FindClasses() {
  std::array<bool, 257> border{};
  border[0] = true;
  for (const ByteEdge& edge : bytes_) border[edge.lo] = border[edge.hi + 1] = true;
  for (int byte = 0; byte < 256; ++byte) {
    if (border[byte]) class_byte_.push_back(static_cast<uint8_t>(byte));
    byte_class_[byte] = static_cast<uint8_t>(class_byte_.size() - 1);
  }
}

void Rules::FindPlainRuns(std::span<const JumpEdge> plain) {
  // A mark whose target is dead holds for nothing. Runs grow until they are bounded or stay.
  plain_run_.assign(states(), 0);
  std::vector<StateId> next(states(), kNever);
  for (const JumpEdge& mark : plain) {
    if (depth_[mark.to] != kNever) next[mark.from] = mark.to;
  }
  for (StateId s = 0; s < states(); ++s) {
    // Along a chain the runs are one more than the next's; a cycle has no end.
    StateId at = s;
    uint8_t run = 0;
    while (run < kMaxPlainRun && next[at] != kNever) {
      at = next[at];
      ++run;
    }
    plain_run_[s] = run;
  }
}

void Rules::AppendShortest(StateId s, size_t limit, std::string* text) const {
  std::vector<StateId> behind;
  while (text->size() < limit) {
    const uint32_t edge = best_[s];
    if (edge == kNever) {
      if (behind.empty()) return;
      s = behind.back();
      behind.pop_back();
    } else if ((edge & kCallKind) != 0) {
      const CallEdge& call = calls_[edge & kIndexMask];
      behind.push_back(call.after);
      s = rules_[call.rule].start;
    } else if ((edge & kJumpKind) != 0) {
      s = jumps_[edge & kIndexMask].to;
    } else {
      text->push_back(static_cast<char>(bytes_[edge & kIndexMask].lo));
      s = bytes_[edge & kIndexMask].to;
    }
  }
}

}  // namespace waferline::grammar
