#include "server/money/money.h"

#include "server/money/decimal.h"
#include "wafer_backend/base/status.h"

namespace waferline {
namespace {

constexpr Wide kPicoPerMicro = 1'000'000;
constexpr Wide kPicoPerCent = 10'000'000'000;
constexpr int kPicoDecimals = 12;
constexpr Wide kMaxPico = Wide{9'000'000'000'000'000'000} * kPicoPerMicro;

}  // namespace

absl::StatusOr<Money> Money::Checked(Wide pico) {
  if (pico > kMaxPico || pico < -kMaxPico) {
    return absl::OutOfRangeError("an amount is above 9 trillion dollars");
  }
  return Money(pico);
}

absl::StatusOr<Money> Money::FromCents(Cents cents) {
  return Checked(cents.count() * kPicoPerCent);
}

absl::StatusOr<Money> Money::FromColumns(Columns columns) {
  if (columns.pico < 0 || columns.pico >= kPicoPerMicro) {
    return absl::InvalidArgumentError("an amount's picodollars are outside [0, 1000000)");
  }
  return Checked(columns.micro * kPicoPerMicro + columns.pico);
}

absl::StatusOr<Money> Money::Parse(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const Wide pico, ParseScaled(text, kPicoDecimals));
  return Checked(pico);
}

absl::Status Money::Add(Money other) {
  WL_ASSIGN_OR_RETURN(*this, Checked(pico_ + other.pico_));
  return absl::OkStatus();
}

absl::StatusOr<Money> Money::Times(int64_t count) const { return Fraction(count, 1); }

absl::StatusOr<Money> Money::Fraction(int64_t numerator, int64_t denominator) const {
  // Up to 9 x 10^24 picodollars x 2^63, more than 127 bits hold.
  Wide product = 0;
  if (denominator <= 0 || __builtin_mul_overflow(pico_, Wide{numerator}, &product)) {
    return absl::OutOfRangeError("a product of an amount is out of range");
  }
  return Checked(RoundedHalfEven(product, denominator));
}

Cents Money::RoundedToCents() const {
  return Cents(static_cast<int64_t>(RoundedHalfEven(pico_, kPicoPerCent)));
}

Money::Columns Money::ToColumns() const {
  Wide micro = pico_ / kPicoPerMicro;
  Wide pico = pico_ % kPicoPerMicro;
  if (pico < 0) {
    pico += kPicoPerMicro;
    --micro;
  }
  return {.micro = static_cast<int64_t>(micro), .pico = static_cast<int32_t>(pico)};
}

std::string Money::Format() const { return FormatScaled(pico_, kPicoDecimals, 2); }

std::string Money::FormatPico() const { return FormatScaled(pico_, 0, 0); }

std::string FormatCents(Cents cents) { return FormatScaled(cents.count(), 2, 2); }

absl::StatusOr<Cents> ParseCents(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const int64_t count, ParseScaledInt(text, 2));
  return Cents(count);
}

}  // namespace waferline
