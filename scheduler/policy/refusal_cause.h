// Why a request was not let in. Each cause is counted by itself.
#pragma once

#include <cstdint>
#include <string_view>

namespace waferline::policy {

enum class RefusalCause : uint8_t {
  kUnknownModel,
  kNeverFits,       // more KV than any decode unit of the model has
  kQueueFull,       // its class has its bound of waiting requests
  kQueueThreshold,  // would wait longer than the client allows
  kWouldMissDeadline,
  kDraining,
  kNoDevice,  // every device that it needs is lost
};
inline constexpr int kRefusalCauses = 7;

constexpr std::string_view Name(RefusalCause cause) {
  constexpr std::string_view kNames[kRefusalCauses] = {
      "unknown_model",       "never_fits", "queue_full", "queue_threshold",
      "would_miss_deadline", "draining",   "no_device"};
  return kNames[static_cast<int>(cause)];
}

}  // namespace waferline::policy
