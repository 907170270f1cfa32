#include "client/cli/charts/axis.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

namespace waferline::cli {
namespace {

std::vector<std::string> Texts(double from, double to) {
  std::vector<std::string> texts;
  for (const Tick& tick : TicksOf({from, to, 0, 1})) texts.push_back(tick.text);
  return texts;
}

TEST_CASE("ticks are round, inside, distinct, and neither few nor many") {
  for (const double from : {-1e9, -37.5, -1e-3, 0.0, 1e-9, 0.61, 59.8, 9'999.0, 1e7, 3e14}) {
    for (const double range : {1e-6, 3e-3, 0.4, 1.0, 7.0, 23.0, 1e4, 1.9e4, 6e8, 1e15}) {
      if (range < 1e-9 * std::abs(from)) continue;
      INFO(from << " + " << range);
      const Axis axis{from, from + range, 100, 900};
      const std::vector<Tick> ticks = TicksOf(axis);
      REQUIRE(ticks.size() >= 2);
      REQUIRE(ticks.size() <= 11);
      std::set<std::string> texts;
      const double step = ticks[1].value - ticks[0].value;
      const double mantissa = step / std::pow(10, std::floor(std::log10(step * (1 + 1e-6))));
      REQUIRE((std::abs(mantissa - 1) < 1e-2 || std::abs(mantissa - 2) < 1e-2 ||
               std::abs(mantissa - 5) < 1e-2));
      for (const Tick& tick : ticks) {
        REQUIRE(axis.At(tick.value) >= 100 - 1e-3);
        REQUIRE(axis.At(tick.value) <= 900 + 1e-3);
        texts.insert(tick.text);
      }
      REQUIRE(texts.size() == ticks.size());
    }
  }
}

TEST_CASE("ticks are written as people write them") {
  REQUIRE(Texts(0, 1) == std::vector<std::string>{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  REQUIRE(Texts(59.7, 60.2) ==
          std::vector<std::string>{"59.7", "59.8", "59.9", "60.0", "60.1", "60.2"});
  REQUIRE(Texts(4'000, 22'000) == std::vector<std::string>{"5 k", "10 k", "15 k", "20 k"});
  REQUIRE(Texts(-3, 7) == std::vector<std::string>{"-2", "0", "2", "4", "6"});
}

}  // namespace
}  // namespace waferline::cli
