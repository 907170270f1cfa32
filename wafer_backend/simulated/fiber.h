// A function with a stack of its own, on the calling thread: it runs until it suspends itself, and
// goes on where it was when it is resumed.
//
// Owner: the world. Thread: one; Resume from outside of fibers, Suspend from within one. Cost: a
// setjmp and a longjmp each way; ucontext(3), whose switches are system calls, only makes the first
// one onto the new stack. Bounds: kStackBytes, with a page behind it that faults.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace waferline::simulated {

class Fiber {
 public:
  static constexpr size_t kStackBytes = size_t{256} << 10;

  explicit Fiber(std::function<void()> run);
  ~Fiber();  // after its end
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void Resume();
  static void Suspend();  // of the fiber that runs
  bool ended() const { return ended_; }

 private:
  static void Begin();

  std::function<void()> run_;
  void* const stack_;
  bool begun_ = false;
  bool ended_ = false;
  ucontext_t first_;
  jmp_buf own_;
  jmp_buf resumer_;
};

}  // namespace waferline::simulated
