#include "server/money/money.h"

#include <catch2/catch.hpp>
#include <limits>

#include "server/money/unit_price.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline {
namespace {

Money Dollars(const char* text) { return Money::Parse(text).value(); }

TEST_CASE("sums are exact and checked") {
  Money sum = Dollars("0.1");
  REQUIRE(sum.Add(Dollars("0.2")).ok());
  CHECK(sum == Dollars("0.3"));
  CHECK(sum.Format() == "0.30");
  CHECK(sum.FormatPico() == "300000000000");

  Money most = Dollars("9e12");
  CHECK(most.Add(Money::FromPico(1)).code() == absl::StatusCode::kOutOfRange);
  CHECK(most == Dollars("9e12"));  // unchanged
  CHECK((-most).Subtract(Money::FromPico(1)).code() == absl::StatusCode::kOutOfRange);
  CHECK_FALSE(Money::Parse("9000000000000.01").ok());
  CHECK_FALSE(most.Times(2).ok());
  CHECK_FALSE(most.Times(std::numeric_limits<int64_t>::min()).ok());
  CHECK_FALSE(most.Fraction(1, 0).ok());
  CHECK(Money::FromPico(1).Times(std::numeric_limits<int64_t>::min()).ok());
  CHECK_FALSE(Money::FromCents(Cents(std::numeric_limits<int64_t>::max())).ok());
}

TEST_CASE("cents are rounded half to even") {
  CHECK(Dollars("0.005").RoundedToCents().count() == 0);
  CHECK(Dollars("0.015").RoundedToCents().count() == 2);
  CHECK(Dollars("0.005000000001").RoundedToCents().count() == 1);
  CHECK(Dollars("-0.005").RoundedToCents().count() == 0);
  CHECK(Dollars("-0.015").RoundedToCents().count() == -2);
  CHECK(Dollars("-0.014999999999").RoundedToCents().count() == -1);
  CHECK(FormatCents(Cents(6'000'000'000)) == "60000000.00");
  CHECK(FormatCents(Cents(-5)) == "-0.05");
  CHECK(ParseCents("0.07").value().count() == 7);
  CHECK_FALSE(ParseCents("0.075").ok());
}

TEST_CASE("columns, cents and text keep every picodollar") {
  SeededStream random(7);
  for (int i = 0; i < 20000; ++i) {
    const Money wide = Money::FromPico(static_cast<int64_t>(random.Next()))
                           .Times(1 + static_cast<int64_t>(random.Next() % 900'000))
                           .value();
    const Money::Columns columns = wide.ToColumns();
    INFO(wide.Format());
    REQUIRE(columns.pico >= 0);
    REQUIRE(columns.pico < 1'000'000);
    REQUIRE(Money::FromColumns(columns).value() == wide);
    REQUIRE(Money::Parse(wide.Format()).value() == wide);

    Money rest = wide;  // rounding moves by at most half a cent
    REQUIRE(rest.Subtract(Money::FromCents(wide.RoundedToCents()).value()).ok());
    REQUIRE((rest.IsNegative() ? -rest : rest) <= Dollars("0.005"));
  }
  CHECK(Money::FromPico(-1).ToColumns() == Money::Columns{.micro = -1, .pico = 999'999});
  CHECK_FALSE(Money::FromColumns({.micro = 0, .pico = 1'000'000}).ok());
  CHECK_FALSE(Money::FromColumns({.micro = 0, .pico = -1}).ok());
  CHECK_FALSE(Money::FromColumns({.micro = std::numeric_limits<int64_t>::max(), .pico = 0}).ok());
}

TEST_CASE("sums do not depend on the order") {
  SeededStream random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<Money> amounts;
    for (int i = 0; i < 20; ++i)
      amounts.push_back(Money::FromPico(static_cast<int64_t>(random.Next())));
    Money forward, backward;
    for (size_t i = 0; i < amounts.size(); ++i) {
      REQUIRE(forward.Add(amounts[i]).ok());
      REQUIRE(backward.Add(amounts[amounts.size() - 1 - i]).ok());
    }
    REQUIRE(forward == backward);
    for (const Money amount : amounts) REQUIRE(forward.Subtract(amount).ok());
    REQUIRE(forward.IsZero());
  }
}

TEST_CASE("prices are whole picodollars a unit") {
  const UnitPrice price = UnitPrice::ParsePerMillion("0.35").value();
  CHECK(price.pico() == 350'000);
  CHECK(price.FormatPerMillion() == "0.35");
  CHECK(price.Of(1'000'000).value() == Dollars("0.35"));
  CHECK(price.Scaled(Multiplier::Parse("2.5").value()).value().pico() == 875'000);
  CHECK_FALSE(UnitPrice::ParsePerMillion("0.0000001").ok());
  CHECK_FALSE(UnitPrice::ParsePerMillion("-1").ok());
  CHECK_FALSE(Multiplier::Parse("1.0001").ok());
  CHECK_FALSE(Multiplier::Parse("-1").ok());
  CHECK(UnitPrice::FromPico(1).Scaled(Multiplier::Parse("0.5").value()).status().message() ==
        "0.000001 $ a million x 0.5 is not a whole picodollar a unit");

  const UnitPrice second = UnitPrice::ParsePerUnit("0.01166").value();
  CHECK(second.FormatPerUnit() == "0.01166");
  CHECK(second.OfParts(3'600'000'000'000, 1'000'000'000).value() == Dollars("41.976"));
  CHECK(UnitPrice::FromPico(1).OfParts(500'000'000, 1'000'000'000).value() ==
        Money());  // half to even
  CHECK(UnitPrice::FromPico(1).OfParts(1'500'000'000, 1'000'000'000).value() == Money::FromPico(2));
}

}  // namespace
}  // namespace waferline
