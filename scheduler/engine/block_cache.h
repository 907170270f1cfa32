// Prefix cache of one device: blocks of prompts by their chained hash, least recently used ones go
// first, those in use (pinned) never. Every block holds a lease from the device's pool of pages, so
// on a wafer cached KV and sequences' KV share one ledger.
//
// Owner and thread: the engine's. Bound: the pool. Cost: O(1) a block. A prefix is always whole: a
// block is used or touched together with all before it, these after it, so it is older than they
// and goes first.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "scheduler/engine/prefix_holders.h"
#include "scheduler/engine/stage_ledger.h"

namespace waferline::engine {

class BlockCache {
 public:
  // Keeps a prefix from being evicted. Move-only; the cache outlives it.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& o) noexcept
        : cache_(std::exchange(o.cache_, nullptr)), last_(o.last_), epoch_(o.epoch_) {}
    Pin& operator=(Pin&& o) noexcept {
      if (this != &o) {
        Release();
        cache_ = std::exchange(o.cache_, nullptr);
        last_ = o.last_;
        epoch_ = o.epoch_;
      }
      return *this;
    }
    ~Pin() { Release(); }
    void Release();

   private:
    friend class BlockCache;
    BlockCache* cache_ = nullptr;
    uint32_t last_ = 0;
    uint32_t epoch_ = 0;
  };

  // `on_evicted` hears of each block that goes, and must not call the cache.
  using OnEvicted = std::function<void(uint64_t hash)>;
  // Who else knows what is cached.
  struct Owner {
    OnEvicted on_evicted;
    PrefixHolders* holders = nullptr;  // outlives the cache; null: none
    DeviceIndex device;                // the cache's, in `holders`
  };
  BlockCache(PagePool* pool, Pages per_block, Owner owner);

  // How many blocks, from the first on, are there.
  size_t Match(std::span<const uint64_t> blocks) const;
  // `count` <= Match(blocks).
  Pin Hold(std::span<const uint64_t> blocks, size_t count);
  // Adds what is missing, as far as the pool and unpinned blocks give room: blocks[first] to
  // blocks[first + count - 1].
  struct Added {
    size_t first = 0;
    size_t count = 0;
  };
  Added Insert(std::span<const uint64_t> blocks);
  // Gives up unpinned blocks until the pool has `wanted` free or none is left.
  void MakeRoom(Pages wanted);
  // The device was lost: everything goes, pins of before are void.
  void Clear();

  size_t size() const { return used_; }
  Pages pages() const { return per_block_ * static_cast<int64_t>(used_); }
  Pages evictable() const { return per_block_ * static_cast<int64_t>(used_ - pinned_); }

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  struct Block {
    uint64_t hash = 0;
    uint32_t parent = kNone;
    uint32_t pins = 0;
    uint32_t newer = kNone;  // neighbours in the list of unpinned blocks
    uint32_t older = kNone;
    PagePool::Lease lease;
  };

  // Where a block is to be found, with enough of its hash that looking for another one, or moving
  // this one, does not touch the block.
  struct Place {
    uint32_t low_hash = 0;
    uint32_t block = kNone;
  };
  static constexpr size_t kFirstPlaces = 256;

  uint32_t Find(uint64_t hash) const;
  void Index(uint64_t hash, uint32_t block);
  void Put(Place place);
  void Unindex(uint32_t block);
  void Link(uint32_t block);  // as the newest
  void Unlink(uint32_t block);
  bool EvictOldest();
  void ReportGone(const Block& block) const;
  void AddPin(uint32_t block);
  void Unpin(uint32_t last);

  PagePool* pool_;
  Pages per_block_;
  const Owner owner_;
  size_t used_ = 0;
  size_t pinned_ = 0;
  uint32_t epoch_ = 0;  // counts Clear
  std::vector<Block> blocks_;
  std::vector<uint32_t> free_;
  uint32_t newest_ = kNone;
  uint32_t oldest_ = kNone;
  // Open addressing with linear probing and no tombstones (deletion shifts back): hashes are
  // already mixed. A place that is free has kNone.
  std::vector<Place> table_;  // power of two, at most a quarter full
};

}  // namespace waferline::engine
