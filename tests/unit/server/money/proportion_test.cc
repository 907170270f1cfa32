#include "server/money/proportion.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline {
namespace {

TEST_CASE("shares go to the largest remainders, earlier ones first") {
  CHECK(Apportion(100, std::vector<int64_t>{1, 1, 1}) == std::vector<int64_t>{34, 33, 33});
  CHECK(Apportion(7, std::vector<int64_t>{1, 2, 0}) == std::vector<int64_t>{2, 5, 0});
  CHECK(Apportion(-100, std::vector<int64_t>{1, 1, 1}) == std::vector<int64_t>{-34, -33, -33});
  CHECK(Apportion(5, std::vector<int64_t>{0, 0}) == std::vector<int64_t>{5, 0});
  CHECK(Apportion(5, {}).empty());
}

TEST_CASE("shares sum to the total, each within 1 of the exact one") {
  SeededStream random(5);
  for (int round = 0; round < 5000; ++round) {
    std::vector<int64_t> weights(1 + random.Next() % 40);
    for (int64_t& weight : weights) weight = static_cast<int64_t>(random.Next() % 1'000'000'000);
    const int64_t total = static_cast<int64_t>(random.Next()) >> (random.Next() % 60);
    const std::vector<int64_t> shares = Apportion(total, weights);
    REQUIRE(std::accumulate(shares.begin(), shares.end(), int64_t{0}) == total);
    const int64_t sum = std::accumulate(weights.begin(), weights.end(), int64_t{0});
    if (sum == 0) continue;
    for (size_t i = 0; i < shares.size(); ++i) {
      REQUIRE(std::abs(shares[i] - Proportion(total, weights[i], sum)) <= 1);
      if (weights[i] == 0) REQUIRE(shares[i] == 0);
    }
  }
}

TEST_CASE("a proportion is rounded half to even") {
  CHECK(Proportion(1, 1, 2) == 0);
  CHECK(Proportion(3, 1, 2) == 2);
  CHECK(Proportion(-1, 1, 2) == 0);
  CHECK(Proportion(-3, 1, 2) == -2);
  CHECK(Proportion(INT64_MAX, INT64_MAX, INT64_MAX) == INT64_MAX);
}

}  // namespace
}  // namespace waferline
