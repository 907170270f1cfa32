#include "wafer_backend/compute/grammar/regex.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/character_classes.h"

namespace waferline::grammar {
namespace {

constexpr size_t kMaxNesting = 100;
constexpr size_t kMaxNfaStates = 60'000;
constexpr uint32_t kNoLimit = 0xffffffff;

struct Node {
  enum Kind : uint8_t { kChars, kSequence, kAlternatives, kRepeat, kStart, kEnd } kind = kSequence;
  CharSet chars;               // kChars
  std::vector<Node> children;  // kRepeat has one
  uint32_t min = 0, max = 0;   // kRepeat
};

class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : reader_(pattern) {}

  absl::StatusOr<Node> Parse() {
    WL_ASSIGN_OR_RETURN(Node node, ParseAlternatives(0));
    if (!reader_.done()) return Error("')' closes no group");
    return node;
  }

 private:
  absl::Status Error(std::string_view what) const { return reader_.Error(what); }

  absl::StatusOr<Node> ParseAlternatives(size_t depth) {
    if (depth > kMaxNesting) return Error(absl::StrCat("more than ", kMaxNesting, " groups deep"));
    Node node{Node::kAlternatives, {}, {}, 0, 0};
    do {
      Node& sequence = node.children.emplace_back();
      while (!reader_.done() && reader_.peek() != '|' && reader_.peek() != ')') {
        WL_ASSIGN_OR_RETURN(Node part, ParseQuantified(depth));
        sequence.children.push_back(std::move(part));
      }
    } while (reader_.Take('|'));
    return node;
  }

  absl::StatusOr<Node> ParseQuantified(size_t depth) {
    WL_ASSIGN_OR_RETURN(Node atom, ParseAtom(depth));
    uint32_t min = 1, max = 1;
    if (reader_.Take('*')) {
      min = 0, max = kNoLimit;
    } else if (reader_.Take('+')) {
      max = kNoLimit;
    } else if (reader_.Take('?')) {
      min = 0;
    } else if (reader_.peek() == '{') {
      WL_ASSIGN_OR_RETURN(const auto counts, reader_.TakeCounts());
      if (counts) std::tie(min, max) = *counts;
    }
    if (min == 1 && max == 1) return atom;
    reader_.Take('?');  // lazy: the same texts
    if (!reader_.done() && (reader_.peek() == '*' || reader_.peek() == '+')) {
      return Error("a quantifier follows a quantifier");
    }
    if (atom.kind == Node::kStart || atom.kind == Node::kEnd) {
      return Error("'^' and '$' cannot be repeated");
    }
    Node repeat{Node::kRepeat, {}, {}, min, max};
    repeat.children.push_back(std::move(atom));
    return repeat;
  }

  absl::StatusOr<Node> ParseAtom(size_t depth) {
    if (reader_.Take('^')) return Node{Node::kStart, {}, {}, 0, 0};
    if (reader_.Take('$')) return Node{Node::kEnd, {}, {}, 0, 0};
    if (reader_.Take('(')) {
      WL_RETURN_IF_ERROR(TakeGroupKind());
      WL_ASSIGN_OR_RETURN(Node group, ParseAlternatives(depth + 1));
      if (!reader_.Take(')')) return Error("a group is not closed by ')'");
      return group;
    }
    WL_ASSIGN_OR_RETURN(CharSet chars, reader_.TakeCharacters());
    return Node{Node::kChars, std::move(chars), {}, 0, 0};
  }

  absl::Status TakeGroupKind() {
    if (!reader_.Take('?')) return absl::OkStatus();
    if (reader_.Take(':')) return absl::OkStatus();
    const bool python = reader_.Take('P');
    if (!reader_.Take('<') || reader_.peek() == '=' || reader_.peek() == '!') {
      return Error(python ? "(?P must be followed by <name>"
                          : "look-around and flags (after '(?') are not supported");
    }
    while (!reader_.done() && reader_.peek() != '>') reader_.Skip();
    return reader_.Take('>') ? absl::OkStatus() : Error("a group's name is not closed by '>'");
  }

  PatternReader reader_;
};

// Thompson's construction. False if it grows too large.
class NfaMaker {
 public:
  bool Add(const Node& node, uint32_t from, uint32_t to) {
    if (nfa_.states.size() > kMaxNfaStates) return false;
    switch (node.kind) {
      case Node::kChars:
        for (const CharRange& range : node.chars) {
          nfa_.states[from].push_back({CharNfa::Edge::kChars, range, to});
        }
        return true;
      case Node::kStart:
        return Empty(from, to, CharNfa::Edge::kStart);
      case Node::kEnd:
        return Empty(from, to, CharNfa::Edge::kEnd);
      case Node::kSequence:
        for (size_t i = 0; i < node.children.size(); ++i) {
          const uint32_t next = nfa_.NewState();
          if (!Add(node.children[i], from, next)) return false;
          from = next;
        }
        return Empty(from, to);
      case Node::kAlternatives:
        for (const Node& child : node.children) {
          // Each from a state of its own: a repetition inside may come back to it.
          const uint32_t start = nfa_.NewState();
          Empty(from, start);
          if (!Add(child, start, to)) return false;
        }
        return true;
      case Node::kRepeat:
        return AddRepeat(node, from, to);
    }
    return false;
  }

  bool Empty(uint32_t from, uint32_t to, CharNfa::Edge::Kind kind = CharNfa::Edge::kEmpty) {
    nfa_.states[from].push_back({kind, {}, to});
    return true;
  }
  // Any text may come at `state`.
  void Anything(uint32_t state) {
    nfa_.states[state].push_back({CharNfa::Edge::kChars, {0, kLastChar}, state});
  }
  CharNfa& nfa() { return nfa_; }

 private:
  bool AddRepeat(const Node& node, uint32_t from, uint32_t to) {
    const Node& child = node.children[0];
    for (uint32_t i = 0; i < node.min; ++i) {
      const uint32_t next = nfa_.NewState();
      if (!Add(child, from, next)) return false;
      from = next;
    }
    if (node.max == kNoLimit) {
      const uint32_t loop = nfa_.NewState();
      Empty(from, loop);
      Empty(loop, to);
      const uint32_t behind = nfa_.NewState();
      Empty(behind, loop);
      return Add(child, loop, behind);
    }
    for (uint32_t i = node.min; i < node.max; ++i) {
      Empty(from, to);
      const uint32_t next = nfa_.NewState();
      if (!Add(child, from, next)) return false;
      from = next;
    }
    return Empty(from, to);
  }

  CharNfa nfa_;
};

}  // namespace

absl::StatusOr<CharAutomaton> ParseRegex(std::string_view pattern, RegexMatch match) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the pattern has more than ", kMaxPatternBytes, " bytes"));
  }
  WL_ASSIGN_OR_RETURN(const Node node, RegexParser(pattern).Parse());
  NfaMaker maker;
  const uint32_t before = maker.nfa().NewState();
  const uint32_t start = maker.nfa().NewState();
  const uint32_t end = maker.nfa().NewState();
  maker.Empty(before, start);
  if (match == RegexMatch::kSearch) {
    maker.Anything(before);
    maker.Anything(end);
  }
  maker.nfa().accept = end;
  if (!maker.Add(node, start, end)) {
    return absl::InvalidArgumentError("the pattern is too large: its counts multiply");
  }
  return CharAutomaton::From(maker.nfa());
}

}  // namespace waferline::grammar
