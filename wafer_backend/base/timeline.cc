#include "wafer_backend/base/timeline.h"

#include <algorithm>

#include "wafer_backend/base/check.h"

namespace waferline {
namespace {
constexpr size_t kArity = 4;
constexpr int kSequenceBits = 56;
}  // namespace

void Timeline::Schedule(Nanoseconds at, Priority priority, EventTarget* target, uint64_t payload) {
  WL_CHECK(at >= now_);
  const Event event{at, (static_cast<uint64_t>(priority) << kSequenceBits) | sequence_++, target,
                    payload};
  size_t hole = heap_.size();
  heap_.push_back(event);
  while (hole > 0) {
    const size_t parent = (hole - 1) / kArity;
    if (!event.Before(heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = event;
}

void Timeline::DeliverNext() {
  WL_CHECK(!heap_.empty());
  const Event next = heap_.front();
  const Event last = heap_.back();
  heap_.pop_back();
  const size_t size = heap_.size();
  size_t hole = 0;
  while (size > 0) {
    const size_t first = hole * kArity + 1;
    if (first >= size) break;
    size_t least = first;
    for (size_t child = first + 1; child < std::min(first + kArity, size); ++child) {
      if (heap_[child].Before(heap_[least])) least = child;
    }
    if (!heap_[least].Before(last)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  if (size > 0) heap_[hole] = last;
  now_ = next.at;
  ++delivered_;
  next.target->OnEvent(next.payload);
}

}  // namespace waferline
