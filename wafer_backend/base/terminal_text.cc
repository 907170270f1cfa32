#include "wafer_backend/base/terminal_text.h"

#include <algorithm>

namespace waferline {

std::string TerminalText(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string shown;
  shown.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    const bool is_c1 = c == 0xC2 && next >= 0x80 && next <= 0x9F;
    const bool is_control = (c < 0x20 && c != '\t' && c != '\n') || c == 0x7F;
    if (is_c1) ++i;
    if (is_c1 || is_control) {
      shown += kReplacement;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

std::string LogLine(std::string_view text, size_t max_bytes) {
  std::string line = TerminalText(text.substr(0, max_bytes));
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (text.size() > max_bytes) line += " ...";
  return line;
}

}  // namespace waferline
