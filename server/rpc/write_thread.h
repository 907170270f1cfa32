// The thread that starts writes, so that the engine's thread never pays for serialisation and
// system calls. What a stream gathers while it waits leaves in one message.
//
// Owner: RpcServer. Thread: Notify from any; Stop from the owner's, after the last Notify.
// Bound: one entry for each live call.
#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/serving/write_queue.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::rpc {

class WriteThread {
 public:
  WriteThread();
  ~WriteThread() { Stop(); }
  WriteThread(const WriteThread&) = delete;
  WriteThread& operator=(const WriteThread&) = delete;

  // The caller does not notify a writer again before its OnNotified.
  void Notify(std::shared_ptr<serving::QueuedWriter> writer) { queue_.Notify(std::move(writer)); }
  // Serves what is queued, then ends the thread. Idempotent.
  void Stop();

 private:
  void Run();

  serving::WriteQueue queue_;
  Mutex mutex_;
  CondVar changed_;
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace waferline::rpc
