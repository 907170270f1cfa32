// Host time that moves when the test says so.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "server/http/http_server.h"

namespace waferline::http {

class SteeredClock {
 public:
  serving::HostClock clock() {
    return {.monotonic = [this] { return Nanoseconds(now_.load()); },
            .unix_seconds = [] { return int64_t{784111777}; }};
  }
  void Advance(Nanoseconds by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_ = Seconds(1000).count();
};

// Waits for another thread to make `condition` true; false if it does not within 10 s.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace waferline::http
