#include "wafer_backend/compute/kernels/thread_pool.h"

#include <catch2/catch.hpp>
#include <numeric>

namespace waferline::kernels {
namespace {

TEST_CASE("every task runs exactly once, whatever the pool's size and the loop's length") {
  for (int threads : {1, 2, 3, 8}) {
    // Without spinning every hand-over goes through the kernel; with much, through the cache.
    for (int spin : {0, 4000}) {
      ThreadPool pool({.threads = threads, .spin_turns = spin});
      REQUIRE(pool.threads() == threads);
      for (int64_t tasks : {0, 1, 2, 7, 1000}) {
        std::vector<std::atomic<int>> ran(static_cast<size_t>(tasks));
        std::atomic<bool> worker_in_range{true};
        pool.ParallelFor(tasks, [&](int64_t task, int worker) {
          ran[static_cast<size_t>(task)].fetch_add(1);
          if (worker < 0 || worker >= threads) worker_in_range = false;
        });
        REQUIRE(worker_in_range);
        for (const auto& times : ran) REQUIRE(times == 1);
      }
    }
  }
}

TEST_CASE("what tasks wrote is visible after the loop, over many short loops") {
  ThreadPool pool(3);
  std::vector<int64_t> values(64);
  for (int64_t loop = 1; loop <= 20000; ++loop) {
    pool.ParallelFor(64, [&](int64_t task, int) { values[static_cast<size_t>(task)] += loop; });
  }
  for (int64_t value : values) REQUIRE(value == 20000LL * 20001 / 2);
}

TEST_CASE("callers that share a pool run one after the other") {
  ThreadPool pool(2);
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  const auto caller = [&] {
    for (int loop = 0; loop < 500; ++loop) {
      int64_t sum = 0;
      std::vector<int64_t> parts(10);
      pool.ParallelFor(10, [&](int64_t task, int) {
        if (task == 0 && inside.fetch_add(1) != 0) overlapped = true;
        parts[static_cast<size_t>(task)] = task;
        if (task == 0) inside.fetch_sub(1);
      });
      sum = std::accumulate(parts.begin(), parts.end(), int64_t{0});
      if (sum != 45) overlapped = true;
    }
  };
  std::thread other(caller);
  caller();
  other.join();
  REQUIRE_FALSE(overlapped);
}

TEST_CASE("a loop too small to share stays with its caller") {
  ThreadPool pool(4);
  const std::thread::id caller = std::this_thread::get_id();
  bool moved = false;
  pool.ParallelFor(100, Bytes(10), [&](int64_t, int worker) {
    moved |= std::this_thread::get_id() != caller || worker != 0;
  });
  REQUIRE_FALSE(moved);
}

}  // namespace
}  // namespace waferline::kernels
