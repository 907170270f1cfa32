// Walks texts through a grammar, byte by byte, all ways at once: a pushdown automaton made
// deterministic as far as it is used. A configuration is the set of states that may be under way,
// each with the stack of what follows it; configurations, and which byte leads from one to which,
// are remembered.
//
// Every configuration that is reached can be completed: what cannot be is left out, also what would
// nest deeper than kMaxDepth.
//
// Owner: a CompiledGrammar, whose lock it needs. Bounds: kMaxTops ways at once and kMaxSeen states
// passed on the way to them, the others are left out (the text stays one of the grammar's, some of
// these are lost, see lost_ways; if all are, the text ends there); kMaxBytes remembered, then
// Full() asks for a Reset. Cost: a table lookup a byte that was seen before, else in proportion to
// the ways.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "wafer_backend/compute/grammar/rules.h"

namespace waferline::grammar {

class Machine {
 public:
  using Configuration = int32_t;
  static constexpr Configuration kDead = -1;
  static constexpr size_t kMaxTops = 512;
  static constexpr size_t kMaxSeen = 1 << 15;
  static constexpr size_t kMaxBytes = 16 << 20;
  static constexpr size_t kMaxProbed = 256;

  // `reach`: how many bytes of text a look says something about, near and far.
  Machine(Rules rules, std::array<size_t, 2> reach);

  // kDead if its ways are more than the bounds: no text is left then.
  Configuration start() const { return start_; }
  // Some configuration since the last Reset had more ways than the bounds.
  bool lost_ways() const { return lost_ways_; }
  // Also for kDead.
  Configuration Next(Configuration from, uint8_t byte) {
    if (from < 0) return kDead;
    const Configuration to = configurations_[from].next[rules_.byte_class()[byte]];
    return to >= kDead ? to : FindNext(from, rules_.byte_class()[byte]);
  }
  Configuration NextAll(Configuration from, std::string_view text);

  // The text may end here.
  bool accepts(Configuration c) const { return configurations_[c].accepts; }
  // Some byte may follow.
  bool goes_on(Configuration c) const { return !configurations_[c].tops.empty(); }
  // Plain characters that surely may follow, at most kMaxPlainRun.
  uint8_t plain_run(Configuration c) const { return configurations_[c].plain_run; }
  // Plain characters that may follow at most; kMaxPlainRun + 1 if it is more, or not known within
  // kMaxProbed configurations.
  uint8_t PlainMost(Configuration c);
  // How the place looks: where looks are the same, the same texts may follow, as far as they reach.
  uint64_t look(Configuration c, bool far) const;
  // Whether there are texts of many states, which may look alike.
  bool counted() const { return !looks_[0].empty(); }

  // The shortest text that completes the whole; at most about `limit` bytes of its beginning.
  std::string ShortestEnd(Configuration c, size_t limit) const;

  // Memory is at its bound: Reset, after which configurations are to be found again from start().
  bool Full() const { return bytes_ > kMaxBytes; }
  void Reset();

 private:
  static constexpr Configuration kUnknown = -2;
  static constexpr uint32_t kBottom = 0;

  // What follows a call, on top of what follows that.
  struct Node {
    StateId after;
    uint32_t below;
    uint32_t depth;
    std::array<uint32_t, 2> look = {};  // near and far, of all that follows
  };
  struct Top {
    StateId state;
    uint32_t node;
    auto operator<=>(const Top&) const = default;
  };
  struct Contents {
    std::vector<Top> tops;  // sorted; states with byte edges only
    bool accepts = false;
    uint8_t plain_run = 0;
    std::array<uint32_t, 2> look = {};
    std::vector<Configuration> next;  // by class
  };

  Configuration FindNext(Configuration from, uint8_t byte_class);
  // Everything that `open` leads to without reading.
  Configuration Close(std::vector<Top> open);
  uint32_t Push(StateId after, uint32_t below);
  Configuration Intern(Contents contents);
  // Of a list of parts, the same for the same list; from 1 on.
  uint32_t Number(std::vector<uint64_t> parts, bool far);
  void FindLook(Contents* contents);

  const Rules rules_;
  std::array<std::vector<uint32_t>, 2> looks_;  // of states; empty if none are counted
  std::array<std::map<std::vector<uint64_t>, uint32_t>, 2> numbers_;
  // Classes with bytes that a plain character may begin with, or go on with.
  std::vector<uint8_t> plain_leads_, plain_rests_;
  Configuration start_ = kDead;
  bool lost_ways_ = false;
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, uint32_t> node_of_;  // by (after, below)
  std::vector<Contents> configurations_;
  std::unordered_multimap<uint64_t, Configuration> configuration_of_;  // by hash
  size_t bytes_ = 0;                                                   // of all these, about
};

}  // namespace waferline::grammar
