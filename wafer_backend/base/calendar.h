// UTC days, months and instants as numbers and text. An instant is a count of microseconds since
// 1970-01-01T00:00:00Z; leap seconds do not exist. Pure functions, any thread; no clock is read.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline {

inline constexpr int64_t kMicrosecondsPerSecond = 1'000'000;
inline constexpr int64_t kMicrosecondsPerMinute = 60 * kMicrosecondsPerSecond;
inline constexpr int64_t kMicrosecondsPerHour = 60 * kMicrosecondsPerMinute;
inline constexpr int64_t kMicrosecondsPerDay = 24 * kMicrosecondsPerHour;

// Years from 1970 to 2199: what fits everywhere.
struct Month {
  int year = 1970;
  int month = 1;  // 1 to 12

  auto operator<=>(const Month&) const = default;
  Month operator+(int months) const;
  // How many months this is after `other`.
  int operator-(const Month& other) const;
  int64_t begin_us() const;
  int64_t end_us() const { return (*this + 1).begin_us(); }  // exclusive
  int64_t hours() const { return (end_us() - begin_us()) / kMicrosecondsPerHour; }
  std::string Text() const;  // "2026-06"
};

Month MonthOf(int64_t instant_us);

// "2026-06". InvalidArgument says what is allowed.
absl::StatusOr<Month> ParseMonth(std::string_view text);
// "2026-06-01" (its midnight) or "2026-06-01T12:30:00Z".
absl::StatusOr<int64_t> ParseInstant(std::string_view text);
// "2026-06-01T12:30:00Z"; a fraction of a second is left out.
std::string InstantText(int64_t instant_us);

}  // namespace waferline
