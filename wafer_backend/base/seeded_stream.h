// Random numbers without state: the n-th number of a key is a pure function of both, so that a
// token's draw depends on (request seed, position) and on nothing that happened before. Any thread.
//
// SplitMix64 finaliser (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
// OOPSLA 2014) over key and counter; passes as good enough for sampling and simulation, not for
// secrets.
#pragma once

#include <cmath>
#include <cstdint>

namespace waferline {

constexpr uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

class SeededStream {
 public:
  constexpr explicit SeededStream(uint64_t seed) : key_(Mix(seed)) {}
  // An independent stream for a named part ("arrivals", "defects"), keyed by a number.
  constexpr SeededStream Fork(uint64_t part) const { return SeededStream(key_ ^ Mix(part)); }

  constexpr uint64_t At(uint64_t counter) const { return Mix(key_ ^ Mix(counter)); }
  // Uniform in [0, 1), 53 bits.
  constexpr double UniformAt(uint64_t counter) const {
    return static_cast<double>(At(counter) >> 11) * 0x1.0p-53;
  }

  // UniformAt(counter) < p, exactly, with BoundOf(p) for p: integers alone.
  constexpr bool BelowAt(uint64_t counter, uint64_t bound) const {
    return (At(counter) >> 11) < bound;
  }
  static uint64_t BoundOf(double p) { return static_cast<uint64_t>(std::ceil(p * 0x1.0p53)); }

  // The same stream as a sequence, for those who draw in order.
  constexpr uint64_t Next() { return At(counter_++); }
  constexpr double Uniform() { return UniformAt(counter_++); }
  double Exponential(double mean) { return -mean * std::log1p(-Uniform()); }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace waferline
