// A price of one unit (a token, a system-second) in whole picodollars, and multipliers of it. Plain
// values, any thread.
//
// "0.35" $ a million tokens is 350,000 picodollars a token. A price that is not a whole picodollar
// does not exist: it is refused when the price book is read, not on an invoice.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/money/money.h"

namespace waferline {

// A factor in thousandths: 2.5 is 2500. From 0 to 1000.
class Multiplier {
 public:
  constexpr Multiplier() = default;
  // At most 3 decimals.
  static absl::StatusOr<Multiplier> Parse(std::string_view text);

  constexpr auto operator<=>(const Multiplier&) const = default;
  constexpr int64_t thousandths() const { return thousandths_; }
  std::string Format() const;

 private:
  int64_t thousandths_ = 1000;
};

class UnitPrice {
 public:
  constexpr UnitPrice() = default;
  static constexpr UnitPrice FromPico(int64_t pico) { return UnitPrice(pico); }
  // $ a million units, at most 6 decimals; and $ a unit, at most 12. From 0 to 1,000,000 $ a unit.
  static absl::StatusOr<UnitPrice> ParsePerMillion(std::string_view text);
  static absl::StatusOr<UnitPrice> ParsePerUnit(std::string_view text);

  constexpr auto operator<=>(const UnitPrice&) const = default;
  constexpr int64_t pico() const { return pico_; }

  // InvalidArgument if the product is not a whole picodollar, OutOfRange if it is too large.
  absl::StatusOr<UnitPrice> Scaled(Multiplier by) const;
  // What `units` cost: exact.
  absl::StatusOr<Money> Of(int64_t units) const;
  // What units / parts cost, rounded once, half to even, to a picodollar: nanoseconds at a price a
  // second are OfParts(ns, 1'000'000'000).
  absl::StatusOr<Money> OfParts(int64_t units, int64_t parts) const;

  std::string FormatPerMillion() const;
  std::string FormatPerUnit() const;

 private:
  constexpr explicit UnitPrice(int64_t pico) : pico_(pico) {}

  int64_t pico_ = 0;
};

}  // namespace waferline
