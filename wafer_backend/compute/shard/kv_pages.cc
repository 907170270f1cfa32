#include "wafer_backend/compute/shard/kv_pages.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline::shard {
namespace {
// Pages come from the system in slabs of about this size: few calls, huge pages where granted.
constexpr Bytes kSlab = Bytes(4 << 20);
}  // namespace

PagePool::PagePool(Bytes page_bytes) : page_bytes_(page_bytes) {
  WL_CHECK(page_bytes.count() > 0 && page_bytes.count() % 64 == 0);
}

PagePool::~PagePool() { WL_CHECK(in_use_ == 0); }

std::byte* PagePool::Take() {
  if (free_.empty()) {
    const int64_t count = std::max<int64_t>(kSlab / page_bytes_, 1);
    slabs_.emplace_back(count * page_bytes_);
    for (int64_t i = count - 1; i >= 0; --i) {
      free_.push_back(slabs_.back().data() + i * page_bytes_.count());
    }
  }
  std::byte* page = free_.back();
  free_.pop_back();
  ++in_use_;
  return page;
}

void PagePool::GiveBack(std::byte* page) {
  WL_CHECK(in_use_ > 0);
  --in_use_;
  free_.push_back(page);
}

SequencePages& SequencePages::operator=(SequencePages&& o) noexcept {
  if (this != &o) {
    Clear();
    pool_ = o.pool_;
    pages_.swap(o.pages_);
  }
  return *this;
}

void SequencePages::Grow(int64_t count) {
  while (this->count() < count) pages_.push_back(pool_->Take());
}

void SequencePages::Clear() {
  for (std::byte* page : pages_) pool_->GiveBack(page);
  pages_.clear();
}

}  // namespace waferline::shard
