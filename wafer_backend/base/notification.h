// Something that happens once, and the threads that wait for it. May be destroyed as soon as a wait
// has returned. Any thread.
#pragma once

#include "wafer_backend/base/mutex.h"

namespace waferline {

class Notification {
 public:
  void Notify() {
    MutexLock lock(&mutex_);
    happened_ = true;
    changed_.NotifyAll();  // under the lock: a waiter may destroy this as soon as it has it
  }
  void Wait() {
    MutexLock lock(&mutex_);
    changed_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return happened_; });
  }
  // False: it did not happen within `bound`.
  bool WaitFor(Nanoseconds bound) {
    MutexLock lock(&mutex_);
    return changed_.WaitFor(&mutex_, bound,
                            [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return happened_; });
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool happened_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline
