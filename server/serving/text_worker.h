// Work on a request's text that may take long: reading a large body, compiling a grammar that no
// request had before. It has a thread of its own, so that it delays its own request and others of
// its kind, but not the threads that serve sockets.
//
// Owner: server/app; stops before what its tasks use is destroyed. Thread: Run from any, Stop from
// the owner's. Bounds: one thread, so at most one core; kMaxWaiting tasks that wait, each for
// kMaxWait at most. What one task takes is bounded by the bounds of bodies and of grammars
// (compute/grammar/work_meter.h).
#pragma once

#include <deque>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/base/units.h"

namespace waferline::serving {

// Requests with at most so much text are read where they arrive: tens of microseconds to a
// millisecond, even with the slowest of the tokenizers.
inline constexpr size_t kMaxQuickBytes = 32 * 1024;

class TextWorker {
 public:
  static constexpr size_t kMaxWaiting = 64;
  static constexpr Nanoseconds kMaxWait = Seconds(10);
  // A hint for those that are refused.
  static constexpr Nanoseconds kRetryAfter = Seconds(1);
  using Task = std::function<void(const absl::Status& may_run)>;

  explicit TextWorker(std::function<Nanoseconds()> monotonic);
  ~TextWorker() { Stop(); }
  TextWorker(const TextWorker&) = delete;
  TextWorker& operator=(const TextWorker&) = delete;

  // Calls `task` once: with OK on the worker's thread, or with Unavailable: if it has waited too
  // long, or on the calling thread, if too many wait already or Stop was called.
  void Run(Task task);
  // Refuses what waits, waits for the task that runs, ends the thread. Idempotent.
  void Stop();

 private:
  struct Waiting {
    Task task;
    Nanoseconds since;
  };
  void Loop();

  const std::function<Nanoseconds()> monotonic_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace waferline::serving
