// The last snapshot of a registry, and who gets the next. Thread: any.
#pragma once

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::registry {

class SnapshotBoard {
 public:
  std::shared_ptr<const membership::Snapshot> last() const {
    const MutexLock lock(&mutex_);
    return last_;
  }

  void Put(membership::Snapshot snapshot) {
    auto shared = std::make_shared<const membership::Snapshot>(std::move(snapshot));
    const MutexLock calls(&calls_);
    {
      const MutexLock lock(&mutex_);
      last_ = shared;
    }
    if (sink_) sink_(shared);
  }

  void Watch(membership::Registry::Sink sink) {
    const MutexLock calls(&calls_);
    sink_ = std::move(sink);
    if (auto now = last(); now != nullptr && sink_) sink_(std::move(now));
  }

 private:
  Mutex calls_;  // held while the sink runs, so that snapshots come one after the other
  membership::Registry::Sink sink_ ABSL_GUARDED_BY(calls_);
  mutable Mutex mutex_;
  std::shared_ptr<const membership::Snapshot> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::registry
