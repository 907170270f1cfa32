// Sets of tiles as bits, and small counters of many tiles at once, bit by bit: what one tile's
// control would do, for 64 tiles of a row in the same few instructions. Internal to this folder.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace waferline::fabric {

// Of a block of 64 neighbours in a row, one bit each; bit 0 is the most western.
using Tiles = uint64_t;
inline constexpr int kBlockTiles = 64;

template <typename F>
[[gnu::always_inline]] inline void ForEachTile(Tiles tiles, F f) {
  for (; tiles != 0; tiles &= tiles - 1) f(static_cast<uint32_t>(std::countr_zero(tiles)));
}

// A number from 0 to 2 for each tile. Adding to 2 and removing from 0 are the caller's bugs.
struct UpToTwo {
  Tiles one = 0, two = 0;  // at least as many

  void Add(Tiles tiles) {
    two |= one & tiles;
    one |= tiles;
  }
  void Remove(Tiles tiles) {
    one &= ~tiles | two;
    two &= ~tiles;
  }
  int Sum() const { return std::popcount(one) + std::popcount(two); }
};

// A number from 0 to 15 for each tile, in binary.
struct UpToFifteen {
  std::array<Tiles, 4> digits = {};

  Tiles any() const { return digits[0] | digits[1] | digits[2] | digits[3]; }
  void Add(Tiles tiles) {
    for (Tiles& digit : digits) {
      const Tiles sum = digit ^ tiles;
      tiles &= digit;
      digit = sum;
    }
  }
  void Remove(Tiles tiles) {
    for (Tiles& digit : digits) {
      const Tiles difference = digit ^ tiles;
      tiles &= ~digit;
      digit = difference;
    }
  }
  int Sum() const {
    int sum = 0;
    for (size_t i = 0; i < digits.size(); ++i) sum += std::popcount(digits[i]) << i;
    return sum;
  }
};

}  // namespace waferline::fabric
