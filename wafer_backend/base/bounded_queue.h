// A bounded hand-over between threads: many producers, one or more consumers. Full means "no" at
// once (the producer decides what that means); nothing is ever dropped. Cost: one mutex, never held
// while user code runs.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace waferline {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False, with `item` untouched, if the queue is full or closed.
  bool TryPush(T&& item) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Everything that is there now; empty if nothing is.
  std::deque<T> TakeAll() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(items_, {});
  }

  // Waits up to `patience` for something to be there (or for Close), then takes everything.
  std::deque<T> WaitAndTakeAll(absl::Duration patience) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &BoundedQueue::Awake), patience);
    return std::exchange(items_, {});
  }

  // After this no push succeeds and waiters wake.
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

  size_t size() const {
    absl::MutexLock lock(&mutex_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || !items_.empty(); }

  const size_t capacity_;
  mutable absl::Mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline
