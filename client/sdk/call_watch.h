// The calls in flight of one gRPC client, and the bound on a server's silence in each of them: gRPC
// itself has deadlines only for whole calls.
//
// Owner: the client, which outlives its calls. Thread: any; a thread of its own checks the calls.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "wafer_backend/base/mutex.h"

namespace waferline::sdk {

class WatchedCall {
 public:
  virtual ~WatchedCall() = default;
  // When the server will have been silent for too long. Any thread.
  virtual std::chrono::steady_clock::time_point silent_at() const = 0;
  // The server was silent for too long. Called once; the call ends soon.
  virtual void EndAsSilent() = 0;
};

class CallWatch {
 public:
  CallWatch() : thread_([this] { Look(); }) {}
  ~CallWatch();  // waits until no call is in flight
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // Keeps the call until it is removed, which it does itself when it has ended.
  void Add(std::shared_ptr<WatchedCall> call);
  void Remove(WatchedCall* call);

 private:
  struct Entry {
    std::shared_ptr<WatchedCall> call;
    bool ended = false;  // as silent
  };
  void Look();

  Mutex mutex_;
  CondVar changed_;
  std::map<WatchedCall*, Entry> calls_ ABSL_GUARDED_BY(mutex_);
  int leaving_ ABSL_GUARDED_BY(mutex_) = 0;  // removed, and not destroyed yet
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace waferline::sdk
