// What the front ends are given of the host: its time, and how much of its memory; and how they
// speak, as the configuration says. Any thread.
#pragma once

#include <chrono>

#include "server/config/server_config.h"
#include "server/openai/dialect.h"
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

inline openai::Dialect DialectOf(const config::ServerConfig& config) {
  return {
      .error_shape = config.flat_errors ? openai::ErrorShape::kFlat : openai::ErrorShape::kNested,
      .refuse_unknown_fields = config.refuse_unknown_fields,
      .usage_at_finish = config.usage_at_finish,
      .clip_max_tokens = config.clip_max_tokens};
}

}  // namespace waferline::app
