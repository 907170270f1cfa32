#include "wafer_backend/compute/grammar/machine.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/grammar/look.h"
#include "wafer_backend/compute/grammar/vocabulary_tries.h"

namespace waferline::grammar {
namespace {
// With what a hash table takes for an entry.
constexpr size_t kNodeBytes = 64, kConfigurationBytes = 160;

uint64_t PairOf(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }
}  // namespace

Machine::Machine(Rules rules, std::array<size_t, 2> reach) : rules_(std::move(rules)) {
  if (!rules_.counted().empty()) {
    looks_ = FindLooks(rules_, reach);
  }
  std::vector<bool> leads(rules_.classes()), rests(rules_.classes());
  for (int byte = 0x20; byte < 256; ++byte) {
    const bool rest = byte >= 0x80 && byte < 0xc0;
    if (byte != '"' && byte != '\\') (rest ? rests : leads)[rules_.byte_class()[byte]] = true;
  }
  for (size_t i = 0; i < leads.size(); ++i) {
    if (leads[i]) plain_leads_.push_back(static_cast<uint8_t>(i));
    if (rests[i]) plain_rests_.push_back(static_cast<uint8_t>(i));
  }
  Reset();
}

void Machine::Reset() {
  nodes_.assign(1, {kNever, kBottom, 0});
  node_of_.clear();
  configurations_.clear();
  configuration_of_.clear();
  for (auto& numbers : numbers_) numbers.clear();
  bytes_ = 0;
  lost_ways_ = false;
  start_ = Close({{rules_.root().start, kBottom}});
}

uint32_t Machine::Push(StateId after, uint32_t below) {
  const auto [entry, added] =
      node_of_.try_emplace(PairOf(after, below), static_cast<uint32_t>(nodes_.size()));
  if (added) {
    Node node{after, below, nodes_[below].depth + 1};
    for (size_t far = 0; far < 2 && counted(); ++far) {
      node.look[far] = Number({PairOf(looks_[far][after], nodes_[below].look[far])}, far != 0);
    }
    nodes_.push_back(node);
    bytes_ += kNodeBytes;
  }
  return entry->second;
}

Machine::Configuration Machine::Close(std::vector<Top> open) {
  Contents contents;
  std::vector<Top> seen = open;  // small; a hash set only when it grows
  std::unordered_map<uint64_t, bool> many;
  const auto key = [](const Top& top) { return PairOf(top.state, top.node); };
  const auto visit = [&](StateId state, uint32_t node) {
    const Top top{state, node};
    // The rest of this rule must fit, too.
    if (rules_.depth_needed(state) == kNever ||
        nodes_[node].depth + rules_.depth_needed(state) > kMaxDepth) {
      return;
    }
    if (seen.size() < 32) {
      if (std::find(seen.begin(), seen.end(), top) != seen.end()) return;
    } else {
      if (many.empty()) {
        for (const Top& one : seen) many.emplace(key(one), true);
      }
      if (many.contains(key(top))) return;
      if (seen.size() >= kMaxSeen) {
        lost_ways_ = true;
        return;
      }
      many.emplace(key(top), true);
    }
    seen.push_back(top);
    open.push_back(top);
  };
  while (!open.empty()) {
    const auto [state, node] = open.back();
    open.pop_back();
    if (!rules_.bytes(state).empty()) {
      if (contents.tops.size() < kMaxTops) {
        contents.tops.push_back({state, node});
        contents.plain_run = std::max(contents.plain_run, rules_.plain_run(state));
      } else {
        lost_ways_ = true;
      }
    }
    if (rules_.is_end(state)) {
      if (node == kBottom) {
        contents.accepts = true;
      } else {
        visit(nodes_[node].after, nodes_[node].below);
      }
    }
    for (const JumpEdge& jump : rules_.jumps(state)) visit(jump.to, node);
    for (const CallEdge& call : rules_.calls(state)) {
      // A call in last place needs no return of its own: lists do not nest.
      const uint32_t behind = rules_.only_ends(call.after) ? node : Push(call.after, node);
      if (rules_.depth_needed(call.after) != kNever) visit(rules_.rule(call.rule).start, behind);
    }
  }
  if (contents.tops.empty() && !contents.accepts) return kDead;
  std::sort(contents.tops.begin(), contents.tops.end());
  return Intern(std::move(contents));
}

Machine::Configuration Machine::Intern(Contents contents) {
  uint64_t hash = contents.accepts ? 1 : 0;
  for (const Top& top : contents.tops) hash = Mix(hash ^ PairOf(top.state, top.node));
  const auto [first, last] = configuration_of_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Contents& old = configurations_[it->second];
    if (old.accepts == contents.accepts && old.tops == contents.tops) return it->second;
  }
  contents.next.assign(rules_.classes(), kUnknown);
  if (counted()) FindLook(&contents);
  bytes_ += kConfigurationBytes + contents.tops.capacity() * sizeof(Top) +
            contents.next.size() * sizeof(Configuration);
  configurations_.push_back(std::move(contents));
  const auto id = static_cast<Configuration>(configurations_.size() - 1);
  configuration_of_.emplace(hash, id);
  return id;
}

uint32_t Machine::Number(std::vector<uint64_t> parts, bool far) {
  bytes_ += kNodeBytes + parts.size() * sizeof(uint64_t);
  auto& numbers = numbers_[far ? 1 : 0];
  const auto next = static_cast<uint32_t>(numbers.size() + 1);
  return numbers.try_emplace(std::move(parts), next).first->second;
}

void Machine::FindLook(Contents* contents) {
  for (size_t far = 0; far < 2; ++far) {
    std::vector<uint64_t> parts;
    for (const Top& top : contents->tops) {
      parts.push_back(PairOf(looks_[far][top.state], nodes_[top.node].look[far]));
    }
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    parts.push_back(contents->accepts ? 1 : 0);
    contents->look[far] = Number(std::move(parts), far != 0);
  }
}

uint64_t Machine::look(Configuration c, bool far) const {
  constexpr uint64_t kOwn = uint64_t{1} << 32;
  // Which ways are lost says no look.
  if (!counted() || lost_ways_) return kOwn | static_cast<uint32_t>(c);
  return configurations_[c].look[far ? 1 : 0];
}

Machine::Configuration Machine::FindNext(Configuration from, uint8_t byte_class) {
  const uint8_t byte = rules_.byte_of_class(byte_class);
  std::vector<Top> open;
  for (const Top& top : configurations_[from].tops) {
    for (const ByteEdge& edge : rules_.bytes(top.state)) {
      if (byte < edge.lo || byte > edge.hi) continue;
      if (rules_.depth_needed(edge.to) == kNever ||
          nodes_[top.node].depth + rules_.depth_needed(edge.to) > kMaxDepth) {
        continue;
      }
      const Top next{edge.to, top.node};
      if (std::find(open.begin(), open.end(), next) == open.end()) open.push_back(next);
    }
  }
  const Configuration to = open.empty() ? kDead : Close(std::move(open));
  configurations_[from].next[byte_class] = to;
  return to;
}

uint8_t Machine::PlainMost(Configuration c) {
  std::vector<Configuration> now = {c}, next;
  const auto step = [&](Configuration from, const std::vector<uint8_t>& classes) {
    for (const uint8_t one : classes) {
      const Configuration to = Next(from, rules_.byte_of_class(one));
      if (to != kDead && std::find(next.begin(), next.end(), to) == next.end()) next.push_back(to);
    }
  };
  size_t probed = 0;
  for (uint8_t length = 0; length <= kMaxPlainRun; ++length) {
    next.clear();
    for (const Configuration from : now) step(from, plain_leads_);
    if (next.empty()) return length;
    for (size_t i = 0; i < next.size(); ++i) step(next[i], plain_rests_);
    probed += next.size();
    if (probed > kMaxProbed) break;
    std::swap(now, next);
  }
  return kMaxPlainRun + 1;
}

Machine::Configuration Machine::NextAll(Configuration from, std::string_view text) {
  for (const char c : text) from = Next(from, static_cast<uint8_t>(c));
  return from;
}

std::string Machine::ShortestEnd(Configuration c, size_t limit) const {
  std::string text;
  if (accepts(c)) return text;
  const Top* best = nullptr;
  uint64_t best_length = 0;
  for (const Top& top : configurations_[c].tops) {
    uint64_t length = rules_.shortest(top.state);
    for (uint32_t node = top.node; node != kBottom; node = nodes_[node].below) {
      length += rules_.shortest(nodes_[node].after);
    }
    if (best == nullptr || length < best_length) {
      best = &top;
      best_length = length;
    }
  }
  rules_.AppendShortest(best->state, limit, &text);
  for (uint32_t node = best->node; node != kBottom && text.size() < limit;
       node = nodes_[node].below) {
    rules_.AppendShortest(nodes_[node].after, limit, &text);
  }
  return text;
}

}  // namespace waferline::grammar
