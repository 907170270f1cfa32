// The way from the engine's thread to the thread that writes: writers with something new wait here,
// and however many they are, their thread is woken once.
//
// Owner: a front end; dies after the engine's last call into a sink. Thread: Notify on any, Drain
// on the writers' thread. Bound: a writer is notified again only after it has taken its news (it
// keeps track of that itself, under its own lock), so each is here at most once for each of its
// sinks.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::serving {

class QueuedWriter {
 public:
  virtual ~QueuedWriter() = default;
  // On the writers' thread, after one Notify or several.
  virtual void OnNotified() = 0;
};

class WriteQueue {
 public:
  // `wake` arranges for a Drain; called on the notifying thread when the queue was empty.
  explicit WriteQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  void Notify(std::shared_ptr<QueuedWriter> writer);
  void Drain();

 private:
  const std::function<void()> wake_;
  Mutex mutex_;
  std::vector<std::shared_ptr<QueuedWriter>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::serving
