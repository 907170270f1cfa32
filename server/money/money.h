// An exact amount of dollars: whole picodollars (10^-12 $), positive or negative, of at most 9
// trillion dollars. A plain value, any thread. No double becomes Money, and Money no double.
//
// Sums are checked: what would leave the range is an OutOfRange status, and nothing changes.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/money/wide.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// Whole cents: invoices and monthly statements.
using Cents = Quantity<struct CentsUnit>;

class Money {
 public:
  // As databases keep it: micro x 10^6 + pico picodollars, 0 <= pico < 10^6, also if negative.
  struct Columns {
    int64_t micro = 0;
    int32_t pico = 0;
    bool operator==(const Columns&) const = default;
  };

  constexpr Money() = default;
  static constexpr Money FromPico(int64_t pico) { return Money(pico); }
  static absl::StatusOr<Money> FromCents(Cents cents);
  // InvalidArgument if pico is outside [0, 10^6), OutOfRange if the amount is.
  static absl::StatusOr<Money> FromColumns(Columns columns);
  // "0.35", "-12", "2e9": at most 12 decimals (decimal.h).
  static absl::StatusOr<Money> Parse(std::string_view text);

  constexpr auto operator<=>(const Money&) const = default;
  constexpr Money operator-() const { return Money(-pico_); }
  constexpr bool IsZero() const { return pico_ == 0; }
  constexpr bool IsNegative() const { return pico_ < 0; }

  absl::Status Add(Money other);
  absl::Status Subtract(Money other) { return Add(-other); }
  absl::StatusOr<Money> Times(int64_t count) const;
  // This x numerator / denominator (above 0), rounded once, half to even, to a picodollar.
  absl::StatusOr<Money> Fraction(int64_t numerator, int64_t denominator) const;

  // To whole cents, half to even. $0.005 is 0 cents, $0.015 is 2.
  Cents RoundedToCents() const;

  Columns ToColumns() const;
  // In dollars, exact, with at least two decimals: "0.009325", "60.00".
  std::string Format() const;
  // In picodollars, whole: "9325000000".
  std::string FormatPico() const;

 private:
  friend class UnitPrice;
  constexpr explicit Money(Wide pico) : pico_(pico) {}
  static absl::StatusOr<Money> Checked(Wide pico);

  Wide pico_ = 0;
};

// Cents in dollars: "60000000.00".
std::string FormatCents(Cents cents);
// At most 2 decimals.
absl::StatusOr<Cents> ParseCents(std::string_view text);

}  // namespace waferline
