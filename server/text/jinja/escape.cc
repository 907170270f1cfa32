#include "server/text/jinja/escape.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "absl/strings/ascii.h"

namespace waferline::jinja {
namespace {

void AppendUtf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

}  // namespace

size_t ReadEscape(const std::string& text, size_t i, std::string& value) {
  constexpr std::string_view kFrom = "ntrbfva\\'\"", kTo = "\n\t\r\b\f\v\a\\'\"";
  if (const size_t at = kFrom.find(text[i]); at != std::string_view::npos) {
    value += kTo[at];
    return i;
  }
  if (text[i] == '\n') return i;
  const size_t length = text[i] == 'x' ? 2 : text[i] == 'u' ? 4 : text[i] == 'U' ? 8 : 0;
  const std::string digits = length > 0 ? text.substr(i + 1, length) : "";
  const bool hex = digits.size() == length && length > 0 &&
                   std::all_of(digits.begin(), digits.end(),
                               [](unsigned char c) { return absl::ascii_isxdigit(c); });
  if (hex) {
    const auto code = static_cast<uint32_t>(std::stoul(digits, nullptr, 16));
    if (code <= 0x10ffff) {
      AppendUtf8(value, code);
      return i + length;
    }
  }
  value += '\\';
  value += text[i];
  return i;
}

}  // namespace waferline::jinja
