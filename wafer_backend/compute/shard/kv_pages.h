// The memory behind KV pages: taken one at a time as a sequence grows, released when its layers see
// them no longer, or when it ends. Pages are kept for the next sequence, so memory follows the peak
// of what was in use. Owner: a shard or a prefill worker; thread: its own.
//
// How many may be in use is the ledger's business (shard) or the pool's bound (prefill).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/aligned_buffer.h"
#include "wafer_backend/compute/shard/kv_layers.h"

namespace waferline::shard {

// Pages of one size.
class PagePool {
 public:
  explicit PagePool(Bytes page_bytes);
  PagePool(PagePool&&) noexcept = default;
  PagePool& operator=(PagePool&&) = delete;
  ~PagePool();  // every page came back first

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

// Pages of every group of layers. `layers` must outlive it.
class KvPool {
 public:
  explicit KvPool(const KvLayers& layers);

  const KvLayers& layers() const { return layers_; }
  PagePool& pool(size_t group) { return pools_[group]; }
  int64_t pages_in_use(size_t group) const { return pools_[group].in_use(); }
  Bytes in_use() const;

 private:
  const KvLayers& layers_;
  std::vector<PagePool> pools_;
};

// One sequence's pages of all groups. Destruction returns them to the pool.
class SequencePages {
 public:
  explicit SequencePages(KvPool* pool);
  SequencePages(SequencePages&& o) noexcept;
  SequencePages& operator=(SequencePages&& o) noexcept;
  ~SequencePages() { Clear(); }

  // Holds of each group exactly the pages that rows at positions [first, end) see: takes those that
  // are missing, releases the others.
  void Hold(int64_t first, int64_t end);
  // Holds this page of a group too, and those between it and what is held; where nothing is, it
  // alone. page >= held(group).first, if any is held.
  std::byte* Reach(size_t group, int64_t page);
  void Clear();

  PageRange held(size_t group) const {
    const Group& of = groups_[group];
    return {of.first, static_cast<int64_t>(of.pages.size())};
  }
  bool Holds(int64_t first, int64_t end) const;
  // Within held(group).
  std::byte* page(size_t group, int64_t index) const { return groups_[group].pages[index]; }
  // By page; those before held(group).first are null.
  const std::byte* const* data(size_t group) const { return groups_[group].pages.data(); }

 private:
  struct Group {
    std::vector<std::byte*> pages;
    int64_t first = 0;  // the pages before are null
  };
  void HoldOf(size_t group, PageRange wanted);

  KvPool* pool_;
  std::vector<Group> groups_;
};

}  // namespace waferline::shard
