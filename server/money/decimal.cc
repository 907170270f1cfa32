#include "server/money/decimal.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline {
namespace {

constexpr size_t kMaxCharacters = 40;
constexpr int kMaxExponentDigits = 2;
constexpr int kMaxWholeDigits = 27;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What a text says: 0.<digits> x 10^point, with its sign.
struct Digits {
  bool negative = false;
  std::string digits;
  int point = 0;
};

bool ReadDigits(std::string_view* text, std::string* out) {
  size_t count = 0;
  while (count < text->size() && IsDigit((*text)[count])) ++count;
  out->append(text->substr(0, count));
  text->remove_prefix(count);
  return count > 0;
}

bool Take(std::string_view* text, std::string_view any_of) {
  if (text->empty() || any_of.find(text->front()) == any_of.npos) return false;
  text->remove_prefix(1);
  return true;
}

bool ReadNumber(std::string_view text, Digits* out) {
  if (text.size() > kMaxCharacters) return false;
  out->negative = Take(&text, "-");
  if (!ReadDigits(&text, &out->digits)) return false;
  out->point = static_cast<int>(out->digits.size());
  if (Take(&text, ".") && !ReadDigits(&text, &out->digits)) return false;
  if (Take(&text, "eE")) {
    const bool below = !text.empty() && text.front() == '-';
    Take(&text, "+-");
    std::string exponent;
    if (!ReadDigits(&text, &exponent) || exponent.size() > kMaxExponentDigits) return false;
    int value = 0;
    for (const char c : exponent) value = value * 10 + (c - '0');
    out->point += below ? -value : value;
  }
  return text.empty();
}

}  // namespace

absl::StatusOr<Wide> ParseScaled(std::string_view text, int decimals) {
  Digits number;
  if (!ReadNumber(text, &number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text.substr(0, kMaxCharacters)),
                     "\" is not a decimal number such as 0.35 or 2e9"));
  }
  const size_t first = std::min(number.digits.find_first_not_of('0'), number.digits.size());
  number.digits.erase(0, first);
  number.point -= static_cast<int>(first);
  while (!number.digits.empty() && number.digits.back() == '0') number.digits.pop_back();
  if (number.digits.empty()) return Wide{0};
  const int whole = number.point + decimals;
  if (whole > kMaxWholeDigits) {
    return absl::InvalidArgumentError(absl::StrCat("\"", std::string(text), "\" is too large"));
  }
  if (whole < static_cast<int>(number.digits.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text), "\" has more than ", decimals, " decimals"));
  }
  number.digits.resize(static_cast<size_t>(whole), '0');
  Wide value = 0;
  for (const char c : number.digits) value = value * 10 + (c - '0');
  return number.negative ? -value : value;
}

absl::StatusOr<int64_t> ParseScaledInt(std::string_view text, int decimals) {
  WL_ASSIGN_OR_RETURN(const Wide value, ParseScaled(text, decimals));
  if (value < std::numeric_limits<int64_t>::min() || value > std::numeric_limits<int64_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", std::string(text), "\" is too large"));
  }
  return static_cast<int64_t>(value);
}

std::string FormatScaled(Wide value, int decimals, int min_decimals) {
  const bool negative = value < 0;
  std::string text;
  for (int place = 0; value != 0 || place <= decimals; ++place) {
    if (place == decimals && decimals > 0) text.push_back('.');
    const int digit = static_cast<int>(value % 10);
    text.push_back(static_cast<char>('0' + (digit < 0 ? -digit : digit)));
    value /= 10;
  }
  std::reverse(text.begin(), text.end());
  for (int left = decimals; left > min_decimals && text.back() == '0'; --left) text.pop_back();
  if (text.back() == '.') text.pop_back();
  return negative ? "-" + text : text;
}

}  // namespace waferline
