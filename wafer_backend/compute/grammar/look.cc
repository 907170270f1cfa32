#include "wafer_backend/compute/grammar/look.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace waferline::grammar {
namespace {

// One thing that may come next.
struct Step {
  enum Kind : uint8_t { kByte, kCall, kEnd } kind;
  uint8_t lo = 0, hi = 0;
  RuleId rule = 0;
  uint32_t depth = 0;   // rules that must fit for it to come,
  uint32_t behind = 0;  // and for what is behind it
  uint32_t look = 0;    // of the state behind it
  auto operator<=>(const Step&) const = default;
};
using Steps = std::vector<Step>;  // sorted

class Refinement {
 public:
  explicit Refinement(const Rules& rules)
      : rules_(rules), looks_(rules.states()), before_(rules.states()) {
    std::iota(looks_.begin(), looks_.end(), 0);
    std::vector<StateId> counted;
    for (const StateRange& range : rules.counted()) {
      for (StateId s = range.begin; s < range.end; ++s) counted.push_back(s);
    }
    std::sort(counted.begin(), counted.end());
    counted.erase(std::unique(counted.begin(), counted.end()), counted.end());
    // All of them look the same before a byte is read.
    for (const StateId s : counted) looks_[s] = static_cast<uint32_t>(rules.states());
    classes_.push_back({counted.size(), {}});
    for (const StateId s : counted) {
      ForEachReached(s, [&](StateId t) {
        for (const ByteEdge& edge : rules_.bytes(t)) before_[edge.to].push_back(s);
        for (const CallEdge& call : rules_.calls(t)) before_[call.after].push_back(s);
      });
    }
    Split(counted);
  }

  // One byte further.
  void Refine() {
    std::vector<StateId> affected;
    for (const StateId s : changed_) {
      affected.insert(affected.end(), before_[s].begin(), before_[s].end());
    }
    std::sort(affected.begin(), affected.end());
    affected.erase(std::unique(affected.begin(), affected.end()), affected.end());
    Split(affected);
  }

  bool done() const { return changed_.empty(); }
  const std::vector<uint32_t>& looks() const { return looks_; }

 private:
  struct Class {
    size_t states;
    Steps steps;  // of each of them
  };

  // Those that `s` leads to without a byte, and itself.
  template <typename F>
  void ForEachReached(StateId s, const F& call) {
    std::vector<StateId> reached = {s};
    const auto visit = [&](StateId t) {
      if (rules_.depth_needed(t) == kNever) return;
      if (std::find(reached.begin(), reached.end(), t) == reached.end()) reached.push_back(t);
    };
    for (size_t i = 0; i < reached.size(); ++i) {
      for (const JumpEdge& jump : rules_.jumps(reached[i])) visit(jump.to);
      for (const CallEdge& one : rules_.calls(reached[i])) {
        if (rules_.shortest(rules_.rule(one.rule).start) == 0) visit(one.after);
      }
    }
    for (const StateId t : reached) call(t);
  }

  Steps StepsOf(StateId s) {
    Steps steps;
    ForEachReached(s, [&](StateId t) {
      const uint32_t depth = rules_.depth_needed(t);
      if (rules_.is_end(t)) steps.push_back({.kind = Step::kEnd, .depth = depth});
      const auto add = [&](Step step, StateId to) {
        step.behind = rules_.depth_needed(to);
        step.look = looks_[to];
        if (step.behind != kNever) steps.push_back(step);
      };
      for (const ByteEdge& edge : rules_.bytes(t)) {
        add({.kind = Step::kByte, .lo = edge.lo, .hi = edge.hi, .depth = depth}, edge.to);
      }
      for (const CallEdge& one : rules_.calls(t)) {
        add({.kind = Step::kCall, .rule = one.rule, .depth = depth}, one.after);
      }
    });
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    return steps;
  }

  // Those of `states` whose steps are others than their class's get a new one. Where all of a class
  // have changed, most of them keep it.
  void Split(const std::vector<StateId>& states) {
    std::map<uint32_t, std::map<Steps, std::vector<StateId>>> groups;
    for (const StateId s : states) groups[looks_[s]][StepsOf(s)].push_back(s);
    changed_.clear();
    for (auto& [look, of_look] : groups) {
      const size_t old = look - rules_.states();
      size_t affected = 0;
      const auto* most = &*of_look.begin();
      for (const auto& group : of_look) {
        affected += group.second.size();
        if (group.second.size() > most->second.size()) most = &group;
      }
      if (affected == classes_[old].states) classes_[old].steps = most->first;
      for (const auto& [steps, members] : of_look) {
        if (steps == classes_[old].steps) continue;
        classes_[old].states -= members.size();
        for (const StateId s : members) {
          looks_[s] = static_cast<uint32_t>(rules_.states() + classes_.size());
        }
        classes_.push_back({members.size(), steps});
        changed_.insert(changed_.end(), members.begin(), members.end());
      }
    }
  }

  const Rules& rules_;
  std::vector<uint32_t> looks_;
  std::vector<std::vector<StateId>> before_;  // counted states that lead to each
  std::vector<StateId> changed_;
  std::vector<Class> classes_;  // their looks count from the number of states
};

}  // namespace

std::array<std::vector<uint32_t>, 2> FindLooks(const Rules& rules, std::array<size_t, 2> reach) {
  Refinement refinement(rules);
  std::array<std::vector<uint32_t>, 2> looks;
  size_t reached = 1;
  for (size_t i = 0; i < reach.size(); ++i) {
    for (; reached < reach[i] && !refinement.done(); ++reached) refinement.Refine();
    looks[i] = refinement.looks();
  }
  return looks;
}

}  // namespace waferline::grammar
