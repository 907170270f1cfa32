// The one thread that reads from a store for others, so that no connection of a client waits for
// the database; between two questions it looks at the database on its own account, once a period.
//
// Owner: server/app; the store outlives it. Thread: any; no call but Stop blocks. Bounds:
// kMaxWaiting questions wait, more are refused.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/base/units.h"

namespace waferline::store {

class Reader {
 public:
  static constexpr size_t kMaxWaiting = 64;

  // Runs on the reader's thread: with a connection, or with why there is none.
  using Question = std::function<void(absl::StatusOr<Connection*>)>;

  // `look` runs about once a `period` if there is a connection.
  Reader(Store* store, Nanoseconds period, std::function<void(Connection&)> look)
      : store_(store), period_(period), look_(std::move(look)) {}
  ~Reader() { Stop(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void Start();
  // False: too many wait, or it has stopped; `question` is not called.
  bool Ask(Question question);
  // Questions that wait are dropped.
  void Stop();

 private:
  void Run();
  absl::StatusOr<Connection*> Connected();

  Store* const store_;
  const Nanoseconds period_;
  const std::function<void(Connection&)> look_;
  std::unique_ptr<Connection> connection_;  // the reader's thread
  Mutex mutex_;
  CondVar changed_;
  std::deque<Question> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace waferline::store
