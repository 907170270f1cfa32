#include "wafer_backend/simulated/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "wafer_backend/base/check.h"

namespace waferline::simulated {
namespace {

// Stacks of fibers that have ended, for the next ones.
struct Stacks {
  ~Stacks() {
    for (void* stack : unused) munmap(stack, Fiber::kStackBytes);
  }
  std::vector<void*> unused;
};
thread_local Stacks stacks;
thread_local Fiber* running = nullptr;

void* TakeStack() {
  if (!stacks.unused.empty()) {
    void* const stack = stacks.unused.back();
    stacks.unused.pop_back();
    return stack;
  }
  void* const stack = mmap(nullptr, Fiber::kStackBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  WL_CHECK(stack != MAP_FAILED);
  // Stacks grow down: the lowest page is the last.
  WL_CHECK(mprotect(stack, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_NONE) == 0);
  return stack;
}

}  // namespace

Fiber::Fiber(std::function<void()> run) : run_(std::move(run)), stack_(TakeStack()) {
  WL_CHECK(getcontext(&first_) == 0);
  first_.uc_stack.ss_sp = stack_;
  first_.uc_stack.ss_size = kStackBytes;
  first_.uc_link = nullptr;
  makecontext(&first_, &Fiber::Begin, 0);
}

Fiber::~Fiber() {
  WL_CHECK(ended_);
  stacks.unused.push_back(stack_);
}

void Fiber::Begin() {
  Fiber* const self = running;
  self->run_();
  self->run_ = nullptr;
  self->ended_ = true;
  _longjmp(self->resumer_, 1);
}

void Fiber::Resume() {
  WL_CHECK(running == nullptr && !ended_);
  running = this;
  if (_setjmp(resumer_) == 0) {
    if (std::exchange(begun_, true)) _longjmp(own_, 1);
    setcontext(&first_);
  }
  running = nullptr;
}

void Fiber::Suspend() {
  Fiber* const self = running;
  WL_CHECK(self != nullptr);
  if (_setjmp(self->own_) == 0) _longjmp(self->resumer_, 1);
}

}  // namespace waferline::simulated
