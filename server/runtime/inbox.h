// What other threads hand to the engine's thread. Any thread pushes, the engine's takes everything
// at once and waits here. Bounds: requests and calls by the capacities given; cancels and resumes
// are as many as the front ends send between two turns, one of each a ticket.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "scheduler/engine/engine.h"
#include "scheduler/request/front_door.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::runtime {

class Inbox {
 public:
  using Call = std::function<void(engine::Engine&)>;
  struct Submitted {
    Ticket ticket;
    ValidRequest request;
    int64_t wall_ns;  // when it was submitted
  };
  struct Content {
    std::vector<Submitted> requests;
    std::vector<Ticket> cancels;
    std::vector<Ticket> resumes;
    std::vector<Call> calls;
    bool draining = false;
    size_t before_drain = 0;  // of the requests, if it drains: those that came before
    bool stopping = false;
  };

  Inbox(size_t requests, size_t calls) : max_requests_(requests), max_calls_(calls) {}

  enum class Push : uint8_t { kTaken, kFull, kClosed };
  // kFull and kClosed leave `item` untouched.
  Push PushRequest(Submitted&& item);
  void PushCancel(Ticket ticket);
  void PushResume(Ticket ticket);
  bool PushCall(Call&& call);
  void Drain();     // the engine refuses, and counts, the requests that come from now on
  void EndDrain();  // it takes them again, unless it stops
  void Stop();      // takes no requests from now on, and the thread is to end

  // Something may be new. Cheap when the engine's thread is awake.
  void Wake();

  // The engine's thread: takes what is there (the flags stay).
  Content Take();
  // Waits for a Wake since the last Take, for at most `bound`.
  void Wait(Nanoseconds bound);
  bool awake() const { return awake_.load(std::memory_order_acquire); }
  // After this nothing is taken any more, calls included.
  Content Close();

 private:
  void BeginDrain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_requests_;
  const size_t max_calls_;
  std::atomic<bool> awake_{false};
  Mutex mutex_;
  CondVar changed_;
  Content content_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline::runtime
