#include "server/money/decimal.h"

#include <catch2/catch.hpp>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline {
namespace {

TEST_CASE("decimal text is read exactly") {
  CHECK(ParseScaledInt("0.35", 6).value() == 350'000);
  CHECK(ParseScaledInt("-12", 2).value() == -1200);
  CHECK(ParseScaledInt("20.0e9", 0).value() == 20'000'000'000);
  CHECK(ParseScaledInt("1.5E-3", 4).value() == 15);
  CHECK(ParseScaledInt("0.350000000000", 2).value() == 35);
  CHECK(ParseScaledInt("0e99", 0).value() == 0);
  CHECK(ParseScaledInt("9223372036854775807", 0).value() == 9223372036854775807);
}

TEST_CASE("what is not a decimal number is refused, with what is allowed") {
  for (const char* text :
       {"", "-", ".5", "5.", "+1", "1,5", "0x10", "1e", "1e+", "1e100", "nan", "inf", " 1", "1 ",
        "--1", "1.2.3", "1e5.0", "12345678901234567890123456789012345678901"}) {
    INFO(text);
    CHECK_FALSE(ParseScaled(text, 6).ok());
  }
  CHECK(ParseScaled("0.0000001", 6).status().message() == "\"0.0000001\" has more than 6 decimals");
  CHECK(ParseScaledInt("9223372036854775808", 0).status().message() ==
        "\"9223372036854775808\" is too large");
  CHECK(ParseScaled("1e28", 0).status().message() == "\"1e28\" is too large");
}

TEST_CASE("formatted numbers are read back") {
  CHECK(FormatScaled(350'000, 6, 2) == "0.35");
  CHECK(FormatScaled(0, 6, 2) == "0.00");
  CHECK(FormatScaled(-5, 2, 2) == "-0.05");
  CHECK(FormatScaled(1200, 2, 0) == "12");
  CHECK(FormatScaled(7, 0, 0) == "7");
  SeededStream random(20260601);
  for (int i = 0; i < 20000; ++i) {
    const int64_t value = static_cast<int64_t>(random.Next()) >> (random.Next() % 64);
    const int decimals = static_cast<int>(random.Next() % 13);
    const std::string text = FormatScaled(value, decimals, static_cast<int>(random.Next() % 3));
    INFO(text << " of " << value << " with " << decimals << " decimals");
    REQUIRE(ParseScaledInt(text, decimals).value() == value);
  }
}

}  // namespace
}  // namespace waferline
