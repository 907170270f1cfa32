#include "server/runtime/host.h"

#include <random>
#include <thread>

namespace waferline::runtime {

Nanoseconds MonotonicNow() {
  return Nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::steady_clock::now().time_since_epoch())
                         .count());
}

int64_t UnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Nanoseconds WallUntil(std::chrono::system_clock::time_point at) {
  return Nanoseconds(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at - std::chrono::system_clock::now())
          .count());
}

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

bool WaitFor(const std::function<bool()>& done, Nanoseconds bound) {
  const Nanoseconds end = MonotonicNow() + bound;
  while (!done()) {
    if (MonotonicNow() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace waferline::runtime
