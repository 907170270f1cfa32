// The memory behind KV pages: taken one at a time as a sequence grows, released when it ends.
// Pages are kept for the next sequence, so memory follows the peak of what was in use. Owner: a
// shard or a prefill worker; thread: its own.
//
// How many may be in use is the ledger's business (shard) or the pool's bound (prefill).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/aligned_buffer.h"

namespace waferline::shard {

class PagePool {
 public:
  explicit PagePool(Bytes page_bytes);
  ~PagePool();  // every page came back first
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // 64-byte aligned; content unspecified.
  std::byte* Take();
  void GiveBack(std::byte* page);

  int64_t in_use() const { return in_use_; }
  Bytes page_bytes() const { return page_bytes_; }

 private:
  const Bytes page_bytes_;
  std::vector<kernels::AlignedBuffer> slabs_;
  std::vector<std::byte*> free_;
  int64_t in_use_ = 0;
};

// One sequence's pages in order of position. Destruction returns them to the pool.
class SequencePages {
 public:
  explicit SequencePages(PagePool* pool) : pool_(pool) {}
  SequencePages(SequencePages&& o) noexcept : pool_(o.pool_), pages_(std::move(o.pages_)) {
    o.pages_.clear();
  }
  SequencePages& operator=(SequencePages&& o) noexcept;
  ~SequencePages() { Clear(); }

  // Takes pages until there are `count`.
  void Grow(int64_t count);
  void Clear();

  int64_t count() const { return static_cast<int64_t>(pages_.size()); }
  std::byte* page(int64_t index) const { return pages_[index]; }
  const std::byte* const* data() const { return pages_.data(); }

 private:
  PagePool* pool_;
  std::vector<std::byte*> pages_;
};

// Pages that hold `positions` positions.
constexpr int64_t PagesFor(int64_t positions, int64_t page_tokens) {
  return (positions + page_tokens - 1) / page_tokens;
}

}  // namespace waferline::shard
