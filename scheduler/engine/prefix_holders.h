// Which devices of a lane have the first block of a prompt in their prefix caches: the only ones
// where any of it is cached. Owner: a pool; outlives the caches. Thread: the engine's. Bound: the
// caches' blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "scheduler/engine/indices.h"

namespace waferline::engine {

class PrefixHolders {
 public:
  void Add(uint64_t first_block, DeviceIndex device) { by_block_[first_block].push_back(device); }
  void Remove(uint64_t first_block, DeviceIndex device) {
    const auto at = by_block_.find(first_block);
    std::erase(at->second, device);
    if (at->second.empty()) by_block_.erase(at);
  }
  // In no order.
  std::span<const DeviceIndex> Of(std::span<const uint64_t> blocks) const {
    if (blocks.empty()) return {};
    const auto at = by_block_.find(blocks.front());
    if (at == by_block_.end()) return {};
    return at->second;
  }

 private:
  std::unordered_map<uint64_t, std::vector<DeviceIndex>> by_block_;
};

}  // namespace waferline::engine
