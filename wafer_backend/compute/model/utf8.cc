#include "wafer_backend/compute/model/utf8.h"

#include <cstdint>

#include "wafer_backend/base/check.h"

namespace waferline::model {
namespace {

struct Lead {
  size_t length;         // of the character; 0 if no character begins with this byte
  uint8_t second_first;  // bounds of the second byte: table 3-7 of the Unicode standard
  uint8_t second_last;
};

Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

}  // namespace

Utf8Start StartOf(std::string_view bytes) {
  const Lead lead = LeadOf(static_cast<uint8_t>(bytes[0]));
  if (lead.length == 0) return {Utf8Start::kInvalid, 1};
  for (size_t i = 1; i < lead.length; ++i) {
    if (i == bytes.size()) return {Utf8Start::kIncomplete, i};
    const uint8_t byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t first = i == 1 ? lead.second_first : 0x80;
    const uint8_t last = i == 1 ? lead.second_last : 0xbf;
    if (byte < first || byte > last) return {Utf8Start::kInvalid, i};
  }
  return {Utf8Start::kCharacter, lead.length};
}

void AppendUtf8(uint32_t point, std::string& text) {
  WL_CHECK(point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
  const auto last = [point](int shift) {
    return static_cast<char>(0x80 | (point >> shift & 0x3f));
  };
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += {static_cast<char>(0xc0 | point >> 6), last(0)};
  } else if (point < 0x10000) {
    text += {static_cast<char>(0xe0 | point >> 12), last(6), last(0)};
  } else {
    text += {static_cast<char>(0xf0 | point >> 18), last(12), last(6), last(0)};
  }
}

std::string Utf8Text(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Utf8Start start = StartOf(bytes);
    const bool valid = start.kind == Utf8Start::kCharacter;
    text += valid ? bytes.substr(0, start.length) : kReplacement;
    bytes.remove_prefix(start.length);
  }
  return text;
}

}  // namespace waferline::model
