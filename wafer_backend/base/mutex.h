// A lock whose guarded data clang's analysis knows, and which ThreadSanitizer sees: Debian's
// absl::Mutex lives in a library that is not instrumented, so what it orders looks like a race
// there. Any thread; not recursive.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/machine.h"
#include "wafer_backend/base/units.h"

namespace waferline {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// Where threads wait for what a Mutex guards to change. Both waits let go of `mutex` meanwhile and
// hold it again when `until()` is looked at and when they return.
class CondVar {
 public:
  void NotifyAll() {
    if (Machine* const machine = Machine::OfThisThread()) machine->Notify(this);
    changed_.notify_all();
  }

  template <typename Condition>
  void Wait(Mutex* mutex, const Condition& until) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (Machine* const machine = Machine::OfThisThread()) {
      while (!until()) WaitOn(machine, mutex, Machine::kForever);
      return;
    }
    std::unique_lock held(mutex->mutex_, std::adopt_lock);
    changed_.wait(held, until);
    held.release();
  }
  // Waits for `bound` at most; gives what `until()` is then.
  template <typename Condition>
  bool WaitFor(Mutex* mutex, Nanoseconds bound, const Condition& until)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (Machine* const machine = Machine::OfThisThread()) {
      const Nanoseconds end = machine->Now() + bound;
      while (!until() && machine->Now() < end) WaitOn(machine, mutex, end);
      return until();
    }
    std::unique_lock held(mutex->mutex_, std::adopt_lock);
    const bool met = changed_.wait_for(held, std::chrono::nanoseconds(bound.count()), until);
    held.release();
    return met;
  }

 private:
  void WaitOn(Machine* machine, Mutex* mutex, Nanoseconds until) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    mutex->Unlock();
    machine->Wait(this, until);
    mutex->Lock();
  }

  std::condition_variable changed_;
};

}  // namespace waferline
