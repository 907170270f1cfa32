// Wakes one waiting thread. A ring that comes while nobody waits is kept. The waiter spins for a
// moment first: waking a sleeping thread costs tens of microseconds on a virtual machine, as much
// as a small model's decode step.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "wafer_backend/base/spin_pause.h"

namespace waferline::plane {

class Bell {
 public:
  explicit Bell(int spin_turns) : spin_turns_(spin_turns) {}

  void Ring() {  // any thread
    rung_.store(true, std::memory_order_seq_cst);
    if (!asleep_.load(std::memory_order_seq_cst)) return;
    // Under the lock, so that it cannot fall between the sleeper's last look and its sleep.
    std::lock_guard lock(mutex_);
    awake_.notify_one();
  }

  void Wait() {  // one thread
    for (int i = 0; i < spin_turns_; ++i) {
      if (rung_.load(std::memory_order_relaxed)) break;
      SpinPause();
    }
    if (!rung_.load(std::memory_order_acquire)) {
      std::unique_lock lock(mutex_);
      asleep_.store(true, std::memory_order_seq_cst);
      awake_.wait(lock, [this] { return rung_.load(std::memory_order_seq_cst); });
      asleep_.store(false, std::memory_order_relaxed);
    }
    rung_.store(false, std::memory_order_seq_cst);
  }

 private:
  const int spin_turns_;
  std::atomic<bool> rung_{false};
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable awake_;
};

}  // namespace waferline::plane
