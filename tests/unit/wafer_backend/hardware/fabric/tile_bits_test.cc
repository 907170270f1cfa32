#include "wafer_backend/hardware/fabric/tile_bits.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

namespace waferline::fabric {
namespace {

// Adds and removes at random, as far as each tile may, next to plain numbers.
template <typename Counter, typename Check>
void Count(int max, Counter counter, Check check) {
  std::mt19937_64 random(7);
  std::array<int, kBlockTiles> plain = {};
  for (int round = 0; round < 2000; ++round) {
    const bool adds = random() % 2 == 0;
    Tiles tiles = 0;
    ForEachTile(random(), [&](uint32_t at) {
      if (adds ? plain[at] == max : plain[at] == 0) return;
      tiles |= Tiles{1} << at;
      plain[at] += adds ? 1 : -1;
    });
    adds ? counter.Add(tiles) : counter.Remove(tiles);
    CHECK(counter.Sum() == std::accumulate(plain.begin(), plain.end(), 0));
    for (size_t at = 0; at < plain.size(); ++at) {
      if (!check(counter, static_cast<int>(at), plain[at])) FAIL("tile " << at);
    }
  }
}

TEST_CASE("counters of 64 tiles at once count as plain numbers do") {
  Count(2, UpToTwo(), [](const UpToTwo& counter, int at, int number) {
    return (counter.one >> at & 1) == (number >= 1) && (counter.two >> at & 1) == (number >= 2);
  });
  Count(15, UpToFifteen(), [](const UpToFifteen& counter, int at, int number) {
    int found = 0;
    for (size_t i = 0; i < counter.digits.size(); ++i) {
      found |= static_cast<int>(counter.digits[i] >> at & 1) << i;
    }
    return found == number && (counter.any() >> at & 1) == (number != 0);
  });
}

}  // namespace
}  // namespace waferline::fabric
