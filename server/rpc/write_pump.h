// The thread that starts writes, so that the engine's thread never pays for serialisation and
// system calls. A stream with something new stands in the queue at most once; what it gathers while
// it waits leaves in one message.
//
// Owner: RpcServer. Thread: Poke from any; Stop from the owner's, once nobody pokes any more.
// Bound: one place for each live stream.
#pragma once

#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::rpc {

class Pumped {
 public:
  virtual ~Pumped() = default;
  // On the pump's thread, once after each Poke or run of them.
  virtual void OnPump() = 0;
};

class WritePump {
 public:
  WritePump();
  ~WritePump() { Stop(); }
  WritePump(const WritePump&) = delete;
  WritePump& operator=(const WritePump&) = delete;

  // The caller sees to it that a stream is not poked again before its OnPump.
  void Poke(std::shared_ptr<Pumped> stream);
  // Pumps what is queued, then ends the thread.
  void Stop();

 private:
  void Run();
  Mutex mutex_;
  CondVar awake_;
  std::deque<std::shared_ptr<Pumped>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace waferline::rpc
