// Sets of texts as finite automata over Unicode characters: what patterns, formats, lengths and
// numeric ranges come to, and what they are combined by. Values; pure functions.
//
// Bounds: kMaxCharStates states, and WorkMeter's; what would be larger is InvalidArgument.
// Surrogates (U+D800 to U+DFFF) are not characters and may be in a range without effect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline::grammar {

inline constexpr size_t kMaxCharStates = 20'000;
inline constexpr uint32_t kLastChar = 0x10ffff;

struct CharRange {
  uint32_t lo, hi;
  bool operator==(const CharRange&) const = default;
};
// Sorted, apart from each other.
using CharSet = std::vector<CharRange>;
CharSet Normal(CharSet set);
CharSet Others(const CharSet& set);  // all characters but these

// Nondeterministic, while it is built. State 0 is the start.
struct CharNfa {
  struct Edge {
    // kStart and kEnd take nothing and hold only where the text begins and ends.
    enum Kind : uint8_t { kChars, kEmpty, kStart, kEnd } kind;
    CharRange range;  // kChars
    uint32_t to;
  };
  std::vector<std::vector<Edge>> states;
  uint32_t accept = 0;

  uint32_t NewState() {
    states.emplace_back();
    return static_cast<uint32_t>(states.size() - 1);
  }
};

class CharAutomaton {
 public:
  struct Edge {
    CharRange range;
    uint32_t to;
  };
  struct State {
    std::vector<Edge> edges;  // sorted, apart; no two neighbours lead to the same state
    bool accepts = false;
  };

  static absl::StatusOr<CharAutomaton> From(const CharNfa& nfa);
  static CharAutomaton All();
  // All texts of `min` to `max` characters; `max` is at most kMaxCharStates - 2, or kNoMax.
  static constexpr size_t kNoMax = static_cast<size_t>(-1);
  static CharAutomaton OfLength(size_t min, size_t max);
  // Exactly these, which are UTF-8.
  static CharAutomaton OneOf(const std::vector<std::string_view>& texts);

  absl::StatusOr<CharAutomaton> And(const CharAutomaton& other) const;
  CharAutomaton Not() const;

  bool empty() const { return states_.empty(); }  // no text at all
  bool Contains(std::string_view utf8) const;
  // In order of reachability; the first is the start. Every state leads to an accepting one.
  const std::vector<State>& states() const { return states_; }

 private:
  static absl::Status TooLarge();
  void Trim();
  std::vector<State> states_;
};

// Appends an edge behind the last one; joins them if they can be one.
void AppendEdge(CharRange range, uint32_t to, std::vector<CharAutomaton::Edge>* edges);

// The characters of UTF-8 text; of other bytes nothing sensible.
std::vector<uint32_t> CharsOf(std::string_view utf8);

}  // namespace waferline::grammar
