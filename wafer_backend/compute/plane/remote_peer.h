// What all connections to workers share.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"

namespace waferline::plane {

inline constexpr Nanoseconds kConnectPatience = Seconds(5);

// A status as a worker sent it: a code of absl::StatusCode and a message.
inline absl::Status StatusOf(uint32_t code, const std::string& message) {
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}

}  // namespace waferline::plane
