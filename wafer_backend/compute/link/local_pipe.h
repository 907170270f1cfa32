// A link inside a process: encoded frames in a bounded queue. One sender, one receiver, the same or
// different threads; buffers are exchanged, so a steady link allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/link/byte_pipe.h"

namespace waferline::link {

class LocalPipe : public BytePipe {
 public:
  // At most `window` frames wait.
  explicit LocalPipe(size_t window) : window_(window) {}

  absl::Status Push(std::vector<uint8_t>* frame) override {
    const MutexLock lock(&mutex_);
    if (closed_) return absl::UnavailableError("the link is closed");
    if (waiting_.size() >= window_)
      return absl::ResourceExhaustedError("the link's window is full");
    waiting_.push_back(std::move(*frame));
    frame->clear();
    if (!spent_.empty()) {
      *frame = std::move(spent_.back());
      spent_.pop_back();
    }
    return absl::OkStatus();
  }

  bool HasRoom() const override {
    const MutexLock lock(&mutex_);
    return waiting_.size() < window_;
  }

  // Swaps the next frame into `frame`, whose old memory goes back to the sender. False: none waits.
  bool Take(std::vector<uint8_t>* frame) {
    const MutexLock lock(&mutex_);
    if (waiting_.empty()) return false;
    if (spent_.size() < window_) spent_.push_back(std::move(*frame));
    *frame = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }

  // Nothing more can be pushed; what waits can be taken.
  void Close() {
    const MutexLock lock(&mutex_);
    closed_ = true;
  }

 private:
  const size_t window_;
  mutable Mutex mutex_;
  std::deque<std::vector<uint8_t>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<uint8_t>> spent_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline::link
