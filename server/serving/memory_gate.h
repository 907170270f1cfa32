// Whether the process has memory for another request. One that has used up its share refuses new
// requests until some of it is free again; those that are there go on.
//
// Owner: server/app; thread: any. Cost: an atomic read, and the measurement at most every 50 ms.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"

namespace waferline::serving {

class MemoryGate {
 public:
  struct Host {
    std::function<Nanoseconds()> now;  // monotonic
    std::function<Bytes()> used;       // anonymous memory of the process
    std::function<void()> trim;        // returns freed memory that the allocator still holds
  };
  MemoryGate() = default;  // always open
  MemoryGate(Bytes limit, Host host) : limit_(limit), host_(std::move(host)) {}

  // Unavailable with a retry hint, and the numbers, if the limit is reached.
  absl::Status Check();

 private:
  void Measure(Nanoseconds now);

  const Bytes limit_{};
  const Host host_{};
  std::atomic<int64_t> next_ns_{0};  // no measurement before
  std::atomic<int64_t> trimmed_ns_{0};
  std::atomic<int64_t> used_{0};
};

}  // namespace waferline::serving
