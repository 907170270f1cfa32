#include "scheduler/engine/block_cache.h"

#include "wafer_backend/base/check.h"

namespace waferline::engine {

void BlockCache::Pin::Release() {
  if (cache_ != nullptr && epoch_ == cache_->epoch_) cache_->Unpin(last_);
  cache_ = nullptr;
}

BlockCache::BlockCache(PagePool* pool, Pages per_block, Owner owner)
    : pool_(pool), per_block_(per_block), owner_(std::move(owner)), table_(kFirstPlaces) {}

uint32_t BlockCache::Find(uint64_t hash) const {
  const size_t mask = table_.size() - 1;
  const auto low_hash = static_cast<uint32_t>(hash);
  for (size_t i = low_hash & mask;; i = (i + 1) & mask) {
    const Place& place = table_[i];
    if (place.block == kNone) return kNone;
    if (place.low_hash == low_hash && blocks_[place.block].hash == hash) return place.block;
  }
}

void BlockCache::Put(Place place) {
  const size_t mask = table_.size() - 1;
  size_t i = place.low_hash & mask;
  while (table_[i].block != kNone) i = (i + 1) & mask;
  table_[i] = place;
}

void BlockCache::Index(uint64_t hash, uint32_t block) {
  if ((used_ + 1) * 4 > table_.size()) {
    std::vector<Place> old(table_.size() * 2);
    old.swap(table_);
    for (const Place& moved : old) {
      if (moved.block != kNone) Put(moved);
    }
  }
  Put({static_cast<uint32_t>(hash), block});
}

void BlockCache::Unindex(uint32_t block) {
  const size_t mask = table_.size() - 1;
  size_t hole = blocks_[block].hash & mask;
  while (table_[hole].block != block) hole = (hole + 1) & mask;
  for (size_t i = (hole + 1) & mask; table_[i].block != kNone; i = (i + 1) & mask) {
    // Moves back whatever may not be found across the hole.
    const size_t home = table_[i].low_hash & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      table_[hole] = table_[i];
      hole = i;
    }
  }
  table_[hole] = {};
}

void BlockCache::Link(uint32_t block) {
  blocks_[block].older = newest_;
  blocks_[block].newer = kNone;
  if (newest_ != kNone) blocks_[newest_].newer = block;
  newest_ = block;
  if (oldest_ == kNone) oldest_ = block;
}

void BlockCache::Unlink(uint32_t block) {
  Block& b = blocks_[block];
  (b.newer != kNone ? blocks_[b.newer].older : newest_) = b.older;
  (b.older != kNone ? blocks_[b.older].newer : oldest_) = b.newer;
}

size_t BlockCache::Match(std::span<const uint64_t> blocks) const {
  size_t count = 0;
  while (count < blocks.size() && Find(blocks[count]) != kNone) ++count;
  return count;
}

void BlockCache::AddPin(uint32_t block) {
  if (blocks_[block].pins++ == 0) {
    Unlink(block);
    ++pinned_;
  }
}

void BlockCache::Unpin(uint32_t last) {
  for (uint32_t block = last; block != kNone; block = blocks_[block].parent) {
    WL_CHECK(blocks_[block].pins > 0);
    if (--blocks_[block].pins == 0) {
      Link(block);
      --pinned_;
    }
  }
}

BlockCache::Pin BlockCache::Hold(std::span<const uint64_t> blocks, size_t count) {
  Pin pin;
  if (count == 0) return pin;
  pin.cache_ = this;
  pin.epoch_ = epoch_;
  pin.last_ = Find(blocks[count - 1]);
  for (uint32_t block = pin.last_; block != kNone; block = blocks_[block].parent) AddPin(block);
  return pin;
}

bool BlockCache::EvictOldest() {
  if (oldest_ == kNone) return false;
  const uint32_t block = oldest_;
  Unlink(block);
  Unindex(block);
  blocks_[block].lease.Release();
  free_.push_back(block);
  --used_;
  ReportGone(blocks_[block]);
  return true;
}

void BlockCache::ReportGone(const Block& block) const {
  if (owner_.on_evicted) owner_.on_evicted(block.hash);
  if (owner_.holders != nullptr && block.parent == kNone) {
    owner_.holders->Remove(block.hash, owner_.device);
  }
}

void BlockCache::MakeRoom(Pages wanted) {
  while (pool_->free() < wanted && EvictOldest()) {
  }
}

BlockCache::Added BlockCache::Insert(std::span<const uint64_t> blocks) {
  uint32_t parent = kNone;
  size_t have = Match(blocks);
  const size_t first = have;
  if (blocks_.empty()) blocks_.reserve(blocks.size());
  if (have > 0) parent = Find(blocks[have - 1]);
  // What is added is pinned until the end, so that making room never takes the prefix itself.
  for (uint32_t block = parent; block != kNone; block = blocks_[block].parent) AddPin(block);
  for (; have < blocks.size(); ++have) {
    MakeRoom(per_block_);
    if (pool_->free() < per_block_) break;
    uint32_t block;
    if (free_.empty()) {
      block = static_cast<uint32_t>(blocks_.size());
      blocks_.emplace_back();
    } else {
      block = free_.back();
      free_.pop_back();
    }
    blocks_[block].hash = blocks[have];
    blocks_[block].parent = parent;
    blocks_[block].pins = 1;
    blocks_[block].lease = *pool_->Take(per_block_);
    Index(blocks[have], block);
    ++used_;
    ++pinned_;
    if (owner_.holders != nullptr && parent == kNone) {
      owner_.holders->Add(blocks[have], owner_.device);
    }
    parent = block;
  }
  if (parent != kNone) Unpin(parent);
  return {first, have - first};
}

void BlockCache::Clear() {
  for (const Place& place : table_) {
    if (place.block != kNone) ReportGone(blocks_[place.block]);
  }
  ++epoch_;
  used_ = pinned_ = 0;
  blocks_.clear();
  free_.clear();
  newest_ = oldest_ = kNone;
  table_.assign(kFirstPlaces, {});
}

}  // namespace waferline::engine
