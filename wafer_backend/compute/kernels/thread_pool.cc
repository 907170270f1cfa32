#include "wafer_backend/compute/kernels/thread_pool.h"

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/spin_pause.h"

namespace waferline::kernels {
namespace {

// Waits until `number` is no longer `old`: spinning first, as the next loop of a forward pass
// mostly follows within microseconds, then asleep.
template <typename T>
T AwaitChange(const std::atomic<T>& number, T old, int spin_turns) {
  for (int turn = 0; turn < spin_turns; ++turn) {
    const T seen = number.load(std::memory_order_acquire);
    if (seen != old) return seen;
    SpinPause();
  }
  number.wait(old, std::memory_order_acquire);
  return number.load(std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(const Options& options)
    : spin_turns_(options.spin_turns), parts_(static_cast<size_t>(options.threads)) {
  WL_CHECK(options.threads >= 1 && options.threads <= 256);
  for (int worker = 1; worker < options.threads; ++worker) {
    helpers_.emplace_back([this, worker] { Help(worker); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ThreadPool::Run(int64_t tasks, Loop loop) {
  WL_CHECK(tasks < int64_t{1} << 32);
  MutexLock lock(&callers_);
  loop_ = loop;
  done_.store(0, std::memory_order_relaxed);
  const auto count = static_cast<int64_t>(parts_.size());
  for (int64_t i = 0; i < count; ++i) {
    const auto first = static_cast<uint64_t>(tasks * i / count);
    const auto end = static_cast<uint64_t>(tasks * (i + 1) / count);
    parts_[static_cast<size_t>(i)].claims.store(end << 32 | first, std::memory_order_release);
  }
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  TakeTasks(0);
  const auto all = static_cast<uint32_t>(tasks);
  for (uint32_t done = done_.load(std::memory_order_acquire); done != all;) {
    done = AwaitChange(done_, done, spin_turns_);
  }
}

void ThreadPool::TakeTasks(int worker) {
  uint32_t finished = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    std::atomic<uint64_t>& claims =
        parts_[(static_cast<size_t>(worker) + i) % parts_.size()].claims;
    uint64_t seen = claims.load(std::memory_order_relaxed);
    while (static_cast<uint32_t>(seen) < seen >> 32) {
      if (!claims.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
        continue;
      }
      loop_.call(loop_.callee, static_cast<uint32_t>(seen), worker);
      ++finished;
      seen = claims.load(std::memory_order_relaxed);
    }
  }
  if (finished == 0) return;
  done_.fetch_add(finished, std::memory_order_acq_rel);
  if (worker != 0) done_.notify_one();
}

void ThreadPool::Help(int worker) {
  for (uint32_t seen = 0;;) {
    seen = AwaitChange(epoch_, seen, spin_turns_);
    if (stop_.load(std::memory_order_acquire)) return;
    TakeTasks(worker);
  }
}

}  // namespace waferline::kernels
