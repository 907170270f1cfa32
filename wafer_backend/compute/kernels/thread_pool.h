// A few threads that compute one parallel loop at a time. Passed as an argument to every kernel
// that uses it; results never depend on its size, for a kernel's tasks are disjoint outputs.
//
// Owner: the part that runs the model (a shard, the prefill pool); several may share one, their
// loops then run one after the other. Thread: any may call ParallelFor, not from inside a task.
// Cost: with one thread a plain loop; else two cache-line exchanges while all are awake (below a
// microsecond). Idle helpers spin for `spin_turns` pauses, then sleep in the kernel until
// the next loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/units.h"

namespace waferline::kernels {

class ThreadPool {
 public:
  struct Options {
    int threads = 1;        // 1 .. 256, the caller's thread included
    int spin_turns = 4000;  // pauses (tens of cycles each) before an idle helper sleeps
  };

  explicit ThreadPool(const Options& options);
  explicit ThreadPool(int threads = 1) : ThreadPool(Options{.threads = threads}) {}
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls body(task, worker) once for every task in [0, tasks), tasks < 2^32, worker in [0,
  // threads()); returns when all are done. Each worker takes the tasks of its own part of the range
  // in rising order, so that one loop finds in its cache what the loop before left there; a worker
  // that has finished its part helps with what is left of the others'.
  template <typename Body>
  void ParallelFor(int64_t tasks, Body&& body) {
    if (helpers_.empty() || tasks <= 1) {
      for (int64_t task = 0; task < tasks; ++task) body(task, 0);
      return;
    }
    using Callee = std::remove_reference_t<Body>;
    Run(tasks, Loop{const_cast<void*>(static_cast<const void*>(&body)),
                    [](void* callee, int64_t task, int worker) {
                      (*static_cast<Callee*>(callee))(task, worker);
                    }});
  }

  // The same for tasks that each touch about `bytes_per_task`: a loop too small to pay for
  // waking a helper runs in the caller.
  template <typename Body>
  void ParallelFor(int64_t tasks, Bytes bytes_per_task, Body&& body) {
    if (tasks * bytes_per_task < kWorthSharing) {
      for (int64_t task = 0; task < tasks; ++task) body(task, 0);
      return;
    }
    ParallelFor(tasks, body);
  }

 private:
  // What one core streams from its cache in about a microsecond, twice the cost of a hand-over.
  static constexpr Bytes kWorthSharing = Bytes(32 << 10);

  struct Loop {
    void* callee = nullptr;
    void (*call)(void*, int64_t task, int worker) = nullptr;
  };

  void Run(int64_t tasks, Loop loop);
  void Help(int worker);
  void TakeTasks(int worker);

  const int spin_turns_;
  Mutex callers_;  // one loop at a time
  // A worker's part of the loop: the end of it in the high half, the next task to take in the low
  // half. The worker that raises the low half owns that task, and until it is done loop_ stays as
  // it is: so a helper that wakes late finds nothing to take, and no loop waits for a helper that
  // took nothing.
  struct alignas(64) Part {
    std::atomic<uint64_t> claims{0};
  };
  std::vector<Part> parts_;  // one a thread
  Loop loop_;
  alignas(64) std::atomic<uint32_t> epoch_{0};  // loops begun: what idle helpers watch
  alignas(64) std::atomic<uint32_t> done_{0};   // tasks of this loop that are finished
  std::atomic<bool> stop_{false};
  std::vector<std::thread> helpers_;
};

}  // namespace waferline::kernels
