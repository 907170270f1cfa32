#include "server/openai/json_text.h"

#include <array>
#include <cmath>

namespace waferline::openai {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Length of the well-formed sequence at the start of `text` (Unicode 15, table 3-7), 0 if none.
size_t SequenceLength(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned lo = 0x80, unsigned hi = 0xbf) {
    return i < text.size() && at(i) >= lo && at(i) <= hi;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned lo = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned hi = lead == 0xed ? 0x9f : 0xbf;
    return continues(1, lo, hi) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned lo = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned hi = lead == 0xf4 ? 0x8f : 0xbf;
    return continues(1, lo, hi) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

constexpr bool IsPlain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

void AppendControl(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default: {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
}

template <typename Float>
void AppendFloat(std::string& out, Float value) {
  if (std::isnan(value)) {
    out += "null";
    return;
  }
  if (std::isinf(value)) value = static_cast<Float>(std::copysign(kFarLogprob, value));
  char digits[40];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace

void AppendEscaped(std::string& out, std::string_view text) {
  size_t done = 0;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (IsPlain(c)) {
      ++i;
      continue;
    }
    if (c >= 0x80) {
      if (const size_t length = SequenceLength(text.substr(i)); length > 0) {
        i += length;
        continue;
      }
    }
    out.append(text, done, i - done);
    if (c >= 0x80) {
      out += kReplacement;
    } else {
      AppendControl(out, c);
    }
    done = ++i;
  }
  out.append(text, done, text.size() - done);
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  AppendEscaped(out, text);
  out += '"';
}

void AppendNumber(std::string& out, double value) { AppendFloat(out, value); }
void AppendNumber(std::string& out, float value) { AppendFloat(out, value); }

std::string ToUtf8(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text.substr(i));
    out += length == 0 ? kReplacement : text.substr(i, length);
    i += length == 0 ? 1 : length;
  }
  return out;
}

size_t ValidUtf8Bytes(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const size_t length = SequenceLength(text.substr(i));
    if (length == 0) break;
    i += length;
  }
  return i;
}

bool IsUtf8(std::string_view text) { return ValidUtf8Bytes(text) == text.size(); }

int64_t CountCodePoints(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (c & 0xc0) != 0x80;
  return count;
}

}  // namespace waferline::openai
