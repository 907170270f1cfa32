// The machine that a thread runs on, as far as time and waiting go: its clock, its threads, and how
// they sleep and wake each other. That is the operating system's, unless another one was put in
// place for the calling thread: wafer_backend/simulated runs the processes of a whole cloud on one
// thread, in virtual time.
//
// The one seam of everything that waits: CondVar (mutex.h), Thread (thread.h), the clock and sleeps
// of server/runtime, and the link folder's network ask here first. A field of every class that
// waits would say the same at fifty places, and one that was forgotten would wait for real.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "wafer_backend/base/units.h"

namespace waferline {

class Machine {
 public:
  static constexpr Nanoseconds kForever{std::numeric_limits<int64_t>::max()};

  // Of the calling thread. Null: the operating system.
  static Machine* OfThisThread() { return of_this_thread_; }

  virtual ~Machine() = default;
  virtual Nanoseconds Now() const = 0;  // monotonic
  // Until `what` is notified or the clock shows `until`; also spuriously.
  virtual void Wait(const void* what, Nanoseconds until) = 0;
  virtual void Notify(const void* what) = 0;  // all that wait for it
  // A thread of the calling thread's process; Join waits for its end, once.
  virtual uint64_t Start(std::function<void()> run) = 0;
  virtual void Join(uint64_t thread) = 0;

 protected:
  static void SetForThisThread(Machine* machine) { of_this_thread_ = machine; }

 private:
  static inline constinit thread_local Machine* of_this_thread_ = nullptr;
};

}  // namespace waferline
