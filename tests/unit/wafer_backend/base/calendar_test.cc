#include "wafer_backend/base/calendar.h"

#include <catch2/catch.hpp>

namespace waferline {
namespace {

TEST_CASE("instants are read and written") {
  CHECK(ParseInstant("1970-01-01").value() == 0);
  CHECK(ParseInstant("2026-06-01T00:00:00Z").value() == 1'780'272'000'000'000);
  CHECK(InstantText(1'780'272'000'000'000) == "2026-06-01T00:00:00Z");
  CHECK(InstantText(1'780'272'000'000'000 - 1) == "2026-05-31T23:59:59Z");
  for (int64_t us = 0; us < 5'000'000'000'000'000; us += 86'399'000'000) {
    REQUIRE(ParseInstant(InstantText(us)).value() == us);
  }
}

TEST_CASE("what is not an instant is refused") {
  for (const char* text :
       {"", "2026", "2026-06", "2026-06-31", "2026-13-01", "1969-12-31", "2026-06-01T24:00:00Z",
        "2026-06-01T00:00:00", "2026-06-01 00:00:00Z", "2026-06-01T00:00:00+01:00", "26-06-01"}) {
    INFO(text);
    CHECK_FALSE(ParseInstant(text).ok());
  }
  for (const char* text : {"", "2026", "2026-00", "2026-13", "2026-6", "2200-01"}) {
    INFO(text);
    CHECK_FALSE(ParseMonth(text).ok());
  }
}

TEST_CASE("months follow each other without gaps") {
  const Month first = ParseMonth("2024-01").value();
  for (int i = 0; i < 400; ++i) {
    const Month month = first + i;
    REQUIRE(month - first == i);
    REQUIRE(month.end_us() == (first + (i + 1)).begin_us());
    REQUIRE(MonthOf(month.begin_us()) == month);
    REQUIRE(MonthOf(month.end_us() - 1) == month);
    REQUIRE(ParseMonth(month.Text()).value() == month);
  }
  CHECK((first + 1).hours() == 29 * 24);
  CHECK((first + -1).Text() == "2023-12");
}

}  // namespace
}  // namespace waferline
