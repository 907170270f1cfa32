// Units are types: a Quantity of one unit cannot be added to another's. Plain values, any thread.
// Integer arithmetic; overflow is a bug of ours (at 2^63 ns, a run of 292 years).
#pragma once

#include <compare>
#include <cstdint>

namespace waferline {

template <typename Unit>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(int64_t count) : count_(count) {}

  constexpr int64_t count() const { return count_; }
  constexpr double as_double() const { return static_cast<double>(count_); }

  constexpr auto operator<=>(const Quantity&) const = default;
  constexpr Quantity& operator+=(Quantity o) { return count_ += o.count_, *this; }
  constexpr Quantity& operator-=(Quantity o) { return count_ -= o.count_, *this; }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return a += b; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return a -= b; }
  friend constexpr Quantity operator*(Quantity a, int64_t n) { return Quantity(a.count_ * n); }
  friend constexpr Quantity operator*(int64_t n, Quantity a) { return a * n; }
  friend constexpr Quantity operator/(Quantity a, int64_t n) { return Quantity(a.count_ / n); }
  friend constexpr int64_t operator/(Quantity a, Quantity b) { return a.count_ / b.count_; }

 private:
  int64_t count_ = 0;
};

using Bytes = Quantity<struct BytesUnit>;
using Tokens = Quantity<struct TokensUnit>;
using Cycles = Quantity<struct CyclesUnit>;
// A duration, or an instant counted from the start of its Timeline; the name of the variable says
// which.
using Nanoseconds = Quantity<struct NanosecondsUnit>;

constexpr Nanoseconds Microseconds(int64_t n) { return Nanoseconds(n * 1000); }
constexpr Nanoseconds Milliseconds(int64_t n) { return Nanoseconds(n * 1'000'000); }
constexpr Nanoseconds Seconds(int64_t n) { return Nanoseconds(n * 1'000'000'000); }
constexpr double ToSeconds(Nanoseconds t) { return t.as_double() * 1e-9; }

}  // namespace waferline
