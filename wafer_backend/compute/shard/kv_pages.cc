#include "wafer_backend/compute/shard/kv_pages.h"

#include <algorithm>
#include <utility>

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

KvPool::KvPool(const KvLayers& layers) : layers_(layers) {
  pools_.reserve(layers.groups().size());
  for (const KvGroup& group : layers.groups()) pools_.emplace_back(group.layout.page_bytes());
}

Bytes KvPool::in_use() const {
  Bytes sum;
  for (const PagePool& pool : pools_) sum += pool.in_use() * pool.page_bytes();
  return sum;
}

SequencePages::SequencePages(KvPool* pool) : pool_(pool), groups_(pool->layers().groups().size()) {}

SequencePages::SequencePages(SequencePages&& o) noexcept
    : pool_(o.pool_), groups_(std::exchange(o.groups_, {})) {}

SequencePages& SequencePages::operator=(SequencePages&& o) noexcept {
  if (this != &o) {
    Clear();
    pool_ = o.pool_;
    groups_ = std::exchange(o.groups_, {});
  }
  return *this;
}

void SequencePages::Hold(int64_t first, int64_t end) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    HoldOf(g, pool_->layers().groups()[g].Seen(first, end));
  }
}

void SequencePages::HoldOf(size_t group, PageRange wanted) {
  Group& of = groups_[group];
  PagePool& pool = pool_->pool(group);
  while (static_cast<int64_t>(of.pages.size()) > std::max(of.first, wanted.end)) {
    pool.GiveBack(of.pages.back());
    of.pages.pop_back();
  }
  for (; of.first < wanted.first && of.first < static_cast<int64_t>(of.pages.size()); ++of.first) {
    pool.GiveBack(std::exchange(of.pages[of.first], nullptr));
  }
  if (of.first == static_cast<int64_t>(of.pages.size())) {  // nothing is left
    of.pages.assign(wanted.first, nullptr);
    of.first = wanted.first;
  }
  while (of.first > wanted.first) of.pages[--of.first] = pool.Take();
  while (static_cast<int64_t>(of.pages.size()) < wanted.end) of.pages.push_back(pool.Take());
}

std::byte* SequencePages::Reach(size_t group, int64_t page) {
  PageRange wanted = held(group);
  if (wanted.count() == 0) wanted.first = page;
  WL_CHECK(page >= wanted.first);
  HoldOf(group, {wanted.first, std::max(wanted.end, page + 1)});
  return groups_[group].pages[page];
}

void SequencePages::Clear() {
  for (size_t g = 0; g < groups_.size(); ++g) HoldOf(g, {0, 0});
}

bool SequencePages::Holds(int64_t first, int64_t end) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const PageRange seen = pool_->layers().groups()[g].Seen(first, end);
    if (seen.first < groups_[g].first || seen.end > held(g).end) return false;
  }
  return true;
}

}  // namespace waferline::shard
