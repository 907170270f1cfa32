// The cache of a worker of SlowSimulation: a list of whole prefixes, each in blocks of 16 tokens,
// as long as there is room. What a request uses stays; of the rest the one that was let go first
// makes room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace waferline::simulator {

class SlowPrefixCache {
 public:
  using Blocks = std::vector<uint64_t>;  // of a prompt, full ones only
  static constexpr int64_t kTokensOfBlock = 16;

  // Blocks of the prompt that are here, less as many as leave something to compute.
  size_t Usable(const Blocks& blocks, int64_t total_tokens) const {
    size_t n = Known(blocks);
    while (n > 0 && static_cast<int64_t>(n) * kTokensOfBlock >= total_tokens) --n;
    return n;
  }
  void Hold(const Blocks& blocks, size_t n) {
    for (size_t k = 1; k <= n; ++k) ++cache_.at(Prefix(blocks, k)).users;
  }
  void LetGo(const Blocks& blocks, size_t n) {  // the longest is the oldest
    for (size_t k = n; k > 0; --k) {
      Cached& cached = cache_.at(Prefix(blocks, k));
      if (--cached.users == 0) cached.used_at = ++uses_;
    }
  }
  // Keeps a computed prompt, in `room` blocks.
  void Remember(const Blocks& blocks, int64_t room) {
    if (room == 0) return;
    size_t n = Known(blocks);
    Hold(blocks, n);
    for (; n < blocks.size(); ++n) {
      if (static_cast<int64_t>(cache_.size()) == room && !DropOldest()) break;
      cache_[Prefix(blocks, n + 1)].users = 1;
    }
    LetGo(blocks, n);
  }
  void Clear() { cache_.clear(); }

 private:
  struct Cached {
    int64_t used_at = 0;
    int users = 0;
  };

  size_t Known(const Blocks& blocks) const {
    size_t n = 0;
    while (n < blocks.size() && cache_.contains(Prefix(blocks, n + 1))) ++n;
    return n;
  }
  static Blocks Prefix(const Blocks& blocks, size_t n) {
    return {blocks.begin(), blocks.begin() + static_cast<int64_t>(n)};
  }
  bool DropOldest() {
    auto oldest = cache_.end();
    for (auto it = cache_.begin(); it != cache_.end(); ++it) {
      if (it->second.users > 0) continue;
      if (oldest == cache_.end() || it->second.used_at < oldest->second.used_at) oldest = it;
    }
    if (oldest == cache_.end()) return false;
    cache_.erase(oldest);
    return true;
  }

  std::map<Blocks, Cached> cache_;
  int64_t uses_ = 0;
};

}  // namespace waferline::simulator
