#include "wafer_backend/base/terminal_text.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace waferline {
namespace {

// Of the character that `text`, which is not empty, begins with; 0: it is not UTF-8 (the Unicode
// standard's table 3-7).
size_t BytesOfFirst(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 0;
  for (size_t i = 2; i < size; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80) return 0;
  }
  return size;
}

}  // namespace

std::string TerminalText(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const size_t size = BytesOfFirst(text);
    const auto c = static_cast<unsigned char>(text[0]);
    const bool is_c1 = size == 2 && c == 0xC2 && static_cast<unsigned char>(text[1]) <= 0x9F;
    const bool is_control = (c < 0x20 && c != '\t' && c != '\n') || c == 0x7F;
    shown += size == 0 || is_c1 || is_control ? kReplacement : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return shown;
}

std::string LogLine(std::string_view text, size_t max_bytes) {
  std::string line = TerminalText(text.substr(0, max_bytes));
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (text.size() > max_bytes) line += " ...";
  return line;
}

absl::Status CheckUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t size = BytesOfFirst(text.substr(at));
    if (size == 0) {
      return absl::InvalidArgumentError(
          absl::StrFormat("is not UTF-8 text: byte %d is 0x%02x", at,
                          static_cast<unsigned>(static_cast<unsigned char>(text[at]))));
    }
    at += size;
  }
  return absl::OkStatus();
}

}  // namespace waferline
