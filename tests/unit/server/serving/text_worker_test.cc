#include "server/serving/text_worker.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

namespace waferline::serving {
namespace {

// Keeps the worker's thread until it is let go.
struct Blocker {
  explicit Blocker(TextWorker* worker) {
    worker->Run([this](const absl::Status&) {
      running.set_value();
      release.get_future().wait();
    });
    running.get_future().wait();
  }
  std::promise<void> running, release;
};

TEST_CASE("tasks run in their order, on another thread") {
  TextWorker worker([] { return Nanoseconds(0); });
  std::promise<std::thread::id> where;
  int ran = 0;
  for (int i = 0; i < 10; ++i) {
    worker.Run([&ran, i](const absl::Status& status) { ran += status.ok() && ran == i ? 1 : 0; });
  }
  worker.Run([&](const absl::Status&) { where.set_value(std::this_thread::get_id()); });
  CHECK(where.get_future().get() != std::this_thread::get_id());
  CHECK(ran == 10);
}

TEST_CASE("what finds the queue full is refused at once, what waits too long later") {
  std::atomic<int64_t> now = 0;
  TextWorker worker([&] { return Nanoseconds(now.load()); });
  Blocker blocker(&worker);
  std::atomic<int> ran = 0, late = 0;
  const auto task = [&](const absl::Status& status) { ++(status.ok() ? ran : late); };
  for (size_t i = 0; i < TextWorker::kMaxWaiting; ++i) {
    if (i == 10) now = Seconds(1).count();
    worker.Run(task);
  }
  absl::Status full;
  worker.Run([&](const absl::Status& status) { full = status; });
  CHECK(full.code() == absl::StatusCode::kUnavailable);
  now = TextWorker::kMaxWait.count() + 1;  // too late for the first ten
  blocker.release.set_value();
  std::promise<void> done;
  while (true) {
    absl::Status status;
    worker.Run([&](const absl::Status& may_run) {
      if (may_run.ok()) return done.set_value();
      status = may_run;
    });
    if (status.ok()) break;
    std::this_thread::yield();
  }
  done.get_future().wait();
  CHECK(late == 10);
  CHECK(ran == static_cast<int>(TextWorker::kMaxWaiting) - 10);
}

TEST_CASE("Stop refuses what waits, and what comes later") {
  TextWorker worker([] { return Nanoseconds(0); });
  Blocker blocker(&worker);
  std::atomic<int> refused = 0;
  const auto count = [&](const absl::Status& status) { refused += status.ok() ? 0 : 1; };
  worker.Run(count);
  std::thread stopper([&] { worker.Stop(); });
  while (refused == 0) {
    worker.Run(count);  // refused at once when Stop has been called
    std::this_thread::yield();
  }
  blocker.release.set_value();
  stopper.join();
  const int before = refused;
  worker.Run(count);
  CHECK(refused == before + 1);
}

}  // namespace
}  // namespace waferline::serving
