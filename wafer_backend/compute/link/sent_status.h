// A status as frames carry it: a code of absl::StatusCode, and a message.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace waferline::link {

inline uint32_t CodeOf(const absl::Status& status) { return static_cast<uint32_t>(status.code()); }

// Of a peer, which may say anything. An error always has a message.
inline absl::Status StatusOf(uint32_t code, const std::string& message) {
  return absl::Status(static_cast<absl::StatusCode>(code),
                      message.empty() ? "the worker gave no reason" : message);
}

}  // namespace waferline::link
