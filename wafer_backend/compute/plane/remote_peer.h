// What all connections to workers share.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/plane/peer_watch.h"

namespace waferline::plane {

inline constexpr Nanoseconds kConnectPatience = Seconds(5);

// A status as a worker sent it: a code of absl::StatusCode and a message.
inline absl::Status StatusOf(uint32_t code, const std::string& message) {
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}

inline absl::Status SilentError(const char* role, const std::string& endpoint,
                                const PeerWatch& watch) {
  return absl::DeadlineExceededError(absl::StrCat("the ", role, " at ", endpoint,
                                                  " has sent nothing for ",
                                                  watch.patience() / Milliseconds(1), " ms"));
}

}  // namespace waferline::plane
