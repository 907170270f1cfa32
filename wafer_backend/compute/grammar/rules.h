// A grammar over bytes: rules, each a nondeterministic automaton whose edges take a byte of a
// range, take nothing, or call another rule. RuleBuilder collects them, Rules is what comes out:
// checked, without what cannot be completed, with the numbers that keep a walk from ever getting
// stuck.
//
// Values; building is for one thread, Rules are immutable. Bounds: kMaxStates states and kMaxEdges
// edges; time is in proportion to them (times a logarithm).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline::grammar {

using StateId = uint32_t;
using RuleId = uint32_t;

inline constexpr size_t kMaxStates = 100'000;
inline constexpr size_t kMaxEdges = 400'000;
inline constexpr size_t kManyStates = 32;
// Rules under way at once. Objects and arrays nest about half as deep.
inline constexpr uint32_t kMaxDepth = 192;
inline constexpr uint32_t kNever = 0xffffffff;
// Stands before the name of a control token, which is not text; no UTF-8 text has this byte.
inline constexpr char kControlMark = '\xff';

struct ByteEdge {
  StateId from;
  uint8_t lo, hi;
  StateId to;
};
struct CallEdge {
  StateId from;
  RuleId rule;
  StateId after;
};
struct JumpEdge {
  StateId from, to;
};
struct Rule {
  StateId start, end;
  std::string name;  // for errors
};

class Rules;

// States from `begin` up to `end`.
struct StateRange {
  StateId begin, end;
};

class RuleBuilder {
 public:
  StateId NewState();
  RuleId NewRule(std::string name);
  const Rule& rule(RuleId id) const { return rules_[id]; }

  void Bytes(StateId from, uint8_t lo, uint8_t hi, StateId to);
  void Literal(StateId from, std::string_view text, StateId to);
  // One of `texts`, sharing beginnings.
  void OneOf(StateId from, std::span<const std::string> texts, StateId to);
  void Call(StateId from, RuleId rule, StateId after);
  void Jump(StateId from, StateId to);
  // From `from` every plain character (vocabulary_tries.h) leads to `to`, by the edges there are.
  void Plain(StateId from, StateId to) { plain_.push_back({from, to}); }

  // The states made since `begin`, which NewState gave, may be many that look alike (look.h); few
  // are not worth a look.
  void Counted(StateId begin) {
    if (states_ - begin >= kManyStates) counted_.push_back({begin, static_cast<StateId>(states_)});
  }

  bool full() const { return full_; }
  // `available`: bytes that the vocabulary can write one by one; the others are left out.
  // InvalidArgument if the grammar is too large, has no text, or calls a rule from itself with
  // nothing read before it (named).
  absl::StatusOr<Rules> Finish(RuleId root, const std::array<bool, 256>& available) const;

 private:
  friend class Rules;
  size_t states_ = 0;
  bool full_ = false;
  std::vector<Rule> rules_;
  std::vector<ByteEdge> bytes_;
  std::vector<CallEdge> calls_;
  std::vector<JumpEdge> jumps_;
  std::vector<JumpEdge> plain_;
  std::vector<StateRange> counted_;
};

class Rules {
 public:
  const Rule& root() const { return rules_[root_]; }
  const Rule& rule(RuleId id) const { return rules_[id]; }
  std::span<const ByteEdge> bytes(StateId s) const { return Of(bytes_, byte_start_, s); }
  std::span<const CallEdge> calls(StateId s) const { return Of(calls_, call_start_, s); }
  std::span<const JumpEdge> jumps(StateId s) const { return Of(jumps_, jump_start_, s); }
  bool is_end(StateId s) const { return is_end_[s]; }
  // Nothing follows but the end of the rule.
  bool only_ends(StateId s) const {
    return is_end_[s] && bytes(s).empty() && calls(s).empty() && jumps(s).empty();
  }
  // Calls that must be under way at once, at least, to complete the rule; kNever: it cannot be.
  uint32_t depth_needed(StateId s) const { return depth_[s]; }
  // Bytes of the shortest text from here to the end of the rule, where there is one.
  uint32_t shortest(StateId s) const { return shortest_[s]; }
  // Plain characters that surely may come from here, at most kMaxPlainRun.
  uint8_t plain_run(StateId s) const { return plain_run_[s]; }
  // Bytes that no edge tells apart have the same class.
  const std::array<uint8_t, 256>& byte_class() const { return byte_class_; }
  size_t classes() const { return class_byte_.size(); }
  uint8_t byte_of_class(size_t c) const { return class_byte_[c]; }
  size_t states() const { return is_end_.size(); }
  const std::vector<StateRange>& counted() const { return counted_; }

  // That text, at most `limit` bytes of all, appended.
  void AppendShortest(StateId s, size_t limit, std::string* text) const;

 private:
  friend class RuleBuilder;
  Rules() = default;

  // What a text from a state to its rule's end costs at least; `bytes` false counts depth. Knuth,
  // "A generalization of Dijkstra's algorithm" (1977): a call costs its rule and what follows it.
  void FindCosts(bool bytes, std::vector<uint32_t>* cost);
  absl::Status CheckLeftRecursion() const;
  void FindClasses();
  void FindPlainRuns(std::span<const JumpEdge> plain);
  void Index();

  template <typename Edge>
  static std::span<const Edge> Of(const std::vector<Edge>& edges,
                                  const std::vector<uint32_t>& start, StateId s) {
    return {edges.data() + start[s], edges.data() + start[s + 1]};
  }

  RuleId root_ = 0;
  std::vector<Rule> rules_;
  std::vector<ByteEdge> bytes_;
  std::vector<CallEdge> calls_;
  std::vector<JumpEdge> jumps_;
  std::vector<uint32_t> byte_start_, call_start_, jump_start_;
  std::vector<bool> is_end_;
  std::vector<uint32_t> depth_, shortest_;
  // The edge of the shortest way: kind * 2^30 + index; kNever at ends and dead states.
  std::vector<uint32_t> best_;
  std::vector<uint8_t> plain_run_;
  std::array<uint8_t, 256> byte_class_{};
  std::vector<uint8_t> class_byte_;
  std::vector<StateRange> counted_;
};

}  // namespace waferline::grammar
