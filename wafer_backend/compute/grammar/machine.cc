#include "wafer_backend/compute/grammar/machine.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/grammar/vocabulary_tries.h"

namespace waferline::grammar {
namespace {
// With what a hash table takes for an entry.
constexpr size_t kNodeBytes = 64, kConfigurationBytes = 160;
}  // namespace

Machine::Machine(Rules rules) : rules_(std::move(rules)) {
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
  bytes_ = 0;
  lost_ways_ = false;
  start_ = Close({{rules_.root().start, kBottom}});
}

uint32_t Machine::Push(StateId after, uint32_t below) {
  const auto [entry, added] =
      node_of_.try_emplace(uint64_t{after} << 32 | below, static_cast<uint32_t>(nodes_.size()));
  if (added) {
    nodes_.push_back({after, below, nodes_[below].depth + 1});
    bytes_ += kNodeBytes;
  }
  return entry->second;
}

Machine::Configuration Machine::Close(std::vector<Top> open) {
  Contents contents;
  std::vector<Top> seen = open;  // small; a hash set only when it grows
  std::unordered_map<uint64_t, bool> many;
  const auto key = [](const Top& top) { return uint64_t{top.state} << 32 | top.node; };
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
  for (const Top& top : contents.tops) hash = Mix(hash ^ (uint64_t{top.state} << 32 | top.node));
  const auto [first, last] = configuration_of_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Contents& old = configurations_[it->second];
    if (old.accepts == contents.accepts && old.tops == contents.tops) return it->second;
  }
  contents.next.assign(rules_.classes(), kUnknown);
  bytes_ += kConfigurationBytes + contents.tops.capacity() * sizeof(Top) +
            contents.next.size() * sizeof(Configuration);
  configurations_.push_back(std::move(contents));
  const auto id = static_cast<Configuration>(configurations_.size() - 1);
  configuration_of_.emplace(hash, id);
  return id;
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
