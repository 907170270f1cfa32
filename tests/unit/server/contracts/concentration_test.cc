#include "server/contracts/concentration.h"

#include <catch2/catch.hpp>

namespace waferline::contracts {
namespace {

constexpr std::string_view k2025 =
    "customer,revenue_usd,group\nMBZUAI,62,abu-dhabi\nG42,24,abu-dhabi\n*,14,\n";

TEST_CASE("the top two of 2025 have 86 %, HHI 0.442 at least") {
  const auto customers = ParseCustomers("c.csv", k2025).value();
  const Concentration by_name = ConcentrationOf(customers, false).value();
  CHECK(by_name.top(2) == Approx(0.86));
  CHECK(by_name.hhi_low == Approx(0.4420).margin(1e-9));
  CHECK(by_name.hhi_high == Approx(0.4616).margin(1e-9));
  // Related parties are one decision.
  CHECK(ConcentrationOf(customers, true).value().hhi_low == Approx(0.86 * 0.86));
}

TEST_CASE("the loss of a customer leaves the others") {
  const auto customers = ParseCustomers("c.csv", k2025).value();
  const Concentration left = ConcentrationOf(customers, false, "MBZUAI").value();
  CHECK(left.total == Cents(3800));
  CHECK(left.top(1) == Approx(24.0 / 38));
  CHECK(ConcentrationOf(customers, false, "MBZUI").status().message() ==
        "customer is \"MBZUI\", must be one of: MBZUAI, G42; did you mean 'MBZUAI'?");
}

TEST_CASE("bad rows are named by their line") {
  const auto error = [](std::string_view text) {
    return std::string(ParseCustomers("c.csv", text).status().message());
  };
  CHECK(error("a,1\n") == "c.csv:1: must be customer,revenue_usd or customer,revenue_usd,group");
  CHECK(error("customer,revenue_usd\na,1,2\n") == "c.csv:2: has 3 fields, must have 2");
  CHECK(error("customer,revenue_usd\na,-1\n") ==
        "c.csv:2: revenue_usd: must lie in [0, 10000000000000]");
  CHECK(error("customer,revenue_usd\na,x\n") ==
        "c.csv:2: revenue_usd: \"x\" is not a decimal number such as 0.35 or 2e9");
  CHECK(error("customer,revenue_usd\na,1\na,2\n") == "c.csv:3: customer: is given twice");
  CHECK(error("customer,revenue_usd\n") == "c.csv: has no customers");
  const auto nothing = ParseCustomers("c.csv", "customer,revenue_usd\na,0\n").value();
  CHECK_FALSE(ConcentrationOf(nothing, false).ok());
}

}  // namespace
}  // namespace waferline::contracts
