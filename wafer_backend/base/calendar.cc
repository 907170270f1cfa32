#include "wafer_backend/base/calendar.h"

#include <chrono>
#include <cstdio>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace waferline {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2199;

// `pattern` has 0 for each digit; any other character stands for itself.
bool Matches(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (pattern[i] == '0' ? !digit : text[i] != pattern[i]) return false;
  }
  return true;
}

int Digits(std::string_view text, size_t first, size_t count) {
  int value = 0;
  for (const char c : text.substr(first, count)) value = value * 10 + (c - '0');
  return value;
}

bool InRange(int value, int min, int max) { return value >= min && value <= max; }

year_month_day DayOf(int64_t instant_us) {
  int64_t day = instant_us / kMicrosecondsPerDay;
  if (instant_us % kMicrosecondsPerDay < 0) --day;
  return sys_days(days(day));
}

// Microseconds within the day; nullopt if `text` is not a time of day.
std::optional<int64_t> TimeOfDay(std::string_view text) {
  if (!Matches(text, "T00:00:00Z")) return std::nullopt;
  const int hour = Digits(text, 1, 2);
  const int minute = Digits(text, 4, 2);
  const int second = Digits(text, 7, 2);
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return hour * kMicrosecondsPerHour + minute * kMicrosecondsPerMinute +
         second * kMicrosecondsPerSecond;
}

}  // namespace

Month Month::operator+(int months) const {
  const int count = year * 12 + (month - 1) + months;
  return {.year = count / 12, .month = count % 12 + 1};
}

int Month::operator-(const Month& other) const {
  return (year - other.year) * 12 + (month - other.month);
}

int64_t Month::begin_us() const {
  const sys_days day = std::chrono::year(year) / month / 1;
  return day.time_since_epoch().count() * kMicrosecondsPerDay;
}

std::string Month::Text() const {
  char text[32];
  std::snprintf(text, sizeof(text), "%04d-%02d", year, month);
  return text;
}

Month MonthOf(int64_t instant_us) {
  const year_month_day day = DayOf(instant_us);
  return {.year = static_cast<int>(day.year()),
          .month = static_cast<int>(static_cast<unsigned>(day.month()))};
}

absl::StatusOr<Month> ParseMonth(std::string_view text) {
  if (Matches(text, "0000-00")) {
    const Month month{.year = Digits(text, 0, 4), .month = Digits(text, 5, 2)};
    if (InRange(month.year, kFirstYear, kLastYear) && InRange(month.month, 1, 12)) return month;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", std::string(text), "\" is not a month from 1970-01 to 2199-12"));
}

absl::StatusOr<int64_t> ParseInstant(std::string_view text) {
  const std::string_view date = text.substr(0, 10);
  if (Matches(date, "0000-00-00") && InRange(Digits(date, 0, 4), kFirstYear, kLastYear)) {
    const year_month_day day = std::chrono::year(Digits(date, 0, 4)) /
                               std::chrono::month(static_cast<unsigned>(Digits(date, 5, 2))) /
                               std::chrono::day(static_cast<unsigned>(Digits(date, 8, 2)));
    const std::optional<int64_t> time =
        text.size() == date.size() ? std::optional<int64_t>(0) : TimeOfDay(text.substr(10));
    if (day.ok() && time.has_value()) {
      return sys_days(day).time_since_epoch().count() * kMicrosecondsPerDay + *time;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", std::string(text),
                   "\" is not a UTC instant from 1970 to 2199, such as 2026-06-01 or "
                   "2026-06-01T12:30:00Z"));
}

std::string InstantText(int64_t instant_us) {
  const year_month_day day = DayOf(instant_us);
  int64_t rest = instant_us - sys_days(day).time_since_epoch().count() * kMicrosecondsPerDay;
  const auto part = [&rest](int64_t unit) {
    const int value = static_cast<int>(rest / unit);
    rest %= unit;
    return value;
  };
  const int hour = part(kMicrosecondsPerHour);
  const int minute = part(kMicrosecondsPerMinute);
  const int second = part(kMicrosecondsPerSecond);
  char text[64];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()), hour, minute,
                second);
  return text;
}

}  // namespace waferline
