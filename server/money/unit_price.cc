#include "server/money/unit_price.h"

#include "absl/strings/str_cat.h"
#include "server/money/decimal.h"
#include "wafer_backend/base/status.h"

namespace waferline {
namespace {

constexpr int64_t kMaxUnitPico = 1'000'000'000'000'000'000;
constexpr int64_t kMaxThousandths = 1'000'000;
constexpr int64_t kThousand = 1000;

absl::StatusOr<int64_t> ParsePrice(std::string_view text, int decimals) {
  WL_ASSIGN_OR_RETURN(const int64_t pico, ParseScaledInt(text, decimals));
  if (pico < 0 || pico > kMaxUnitPico) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text), "\" lies outside 0 to 1000000 $ a unit"));
  }
  return pico;
}

}  // namespace

absl::StatusOr<Multiplier> Multiplier::Parse(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const int64_t thousandths, ParseScaledInt(text, 3));
  if (thousandths < 0 || thousandths > kMaxThousandths) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text), "\" lies outside 0 to 1000"));
  }
  Multiplier multiplier;
  multiplier.thousandths_ = thousandths;
  return multiplier;
}

std::string Multiplier::Format() const { return FormatScaled(thousandths_, 3, 0); }

absl::StatusOr<UnitPrice> UnitPrice::ParsePerMillion(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const int64_t pico, ParsePrice(text, 6));
  return UnitPrice(pico);
}

absl::StatusOr<UnitPrice> UnitPrice::ParsePerUnit(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const int64_t pico, ParsePrice(text, 12));
  return UnitPrice(pico);
}

absl::StatusOr<UnitPrice> UnitPrice::Scaled(Multiplier by) const {
  const Wide product = Wide{pico_} * by.thousandths();
  if (product % kThousand != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        FormatPerMillion(), " $ a million x ", by.Format(), " is not a whole picodollar a unit"));
  }
  if (product / kThousand > kMaxUnitPico) {
    return absl::OutOfRangeError("a price is above 1000000 $ a unit");
  }
  return UnitPrice(static_cast<int64_t>(product / kThousand));
}

absl::StatusOr<Money> UnitPrice::Of(int64_t units) const { return OfParts(units, 1); }

absl::StatusOr<Money> UnitPrice::OfParts(int64_t units, int64_t parts) const {
  return Money(Wide{pico_}).Fraction(units, parts);
}

std::string UnitPrice::FormatPerMillion() const { return FormatScaled(pico_, 6, 2); }

std::string UnitPrice::FormatPerUnit() const { return FormatScaled(pico_, 12, 2); }

}  // namespace waferline
