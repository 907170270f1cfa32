// A bug of ours ends the process with a message, in release too; a fault of the world is an
// absl::Status instead.
#pragma once

namespace waferline {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}

#define WL_CHECK(condition)                     \
  (__builtin_expect(!!(condition), 1) ? void(0) \
                                      : ::waferline::CheckFailed(#condition, __FILE__, __LINE__))
