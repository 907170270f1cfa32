// What the front ends are given of the host: its time, and how much of its memory. Any thread.
#pragma once

#include <chrono>

#include "server/config/server_config.h"
#include "server/runtime/host.h"
#include "server/serving/server_deps.h"

namespace waferline::app {

inline serving::HostClock ClockOf(const config::ClockConfig& config) {
  serving::HostClock clock{.monotonic = runtime::MonotonicNow,
                           .unix_seconds = runtime::UnixSeconds};
  if (config.stepped) return clock;
  clock.emulated_until = [scale = config.scale](std::chrono::system_clock::time_point at) {
    return Nanoseconds(static_cast<int64_t>(runtime::WallUntil(at).as_double() * scale));
  };
  return clock;
}

// Some is left for what is under way, whose KV and answers still grow.
inline Bytes MemoryLimit(const config::ServerConfig& config) {
  if (config.limits.memory_bytes > 0) return Bytes(config.limits.memory_bytes);
  return runtime::AnonymousMemory() + runtime::AvailableMemory() / 8 * 7;
}

}  // namespace waferline::app
