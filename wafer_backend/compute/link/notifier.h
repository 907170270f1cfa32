// Wakes one waiting thread. A notification without a waiter is kept for the next Wait. The waiter
// spins for a moment first: waking a sleeping thread costs tens of microseconds on a virtual
// machine, as much as a small model's decode step.
#pragma once

#include <atomic>

#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/spin_pause.h"

namespace waferline::link {

class Notifier {
 public:
  explicit Notifier(int spin_turns) : spin_turns_(spin_turns) {}

  void Notify() {  // any thread
    notified_.store(true, std::memory_order_seq_cst);
    if (!asleep_.load(std::memory_order_seq_cst)) return;
    // Under the lock, so that it cannot fall between the waiter's last check and its sleep.
    const MutexLock lock(&mutex_);
    changed_.NotifyAll();
  }

  void Wait() {  // one thread
    for (int i = 0; i < spin_turns_; ++i) {
      if (notified_.load(std::memory_order_relaxed)) break;
      SpinPause();
    }
    if (!notified_.load(std::memory_order_acquire)) {
      const MutexLock lock(&mutex_);
      asleep_.store(true, std::memory_order_seq_cst);
      changed_.Wait(&mutex_, [this] { return notified_.load(std::memory_order_seq_cst); });
      asleep_.store(false, std::memory_order_relaxed);
    }
    notified_.store(false, std::memory_order_seq_cst);
  }

 private:
  const int spin_turns_;
  std::atomic<bool> notified_{false};
  std::atomic<bool> asleep_{false};
  Mutex mutex_;
  CondVar changed_;
};

}  // namespace waferline::link
