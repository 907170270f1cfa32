#include "wafer_backend/compute/model/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "wafer_backend/compute/model/utf8.h"

namespace waferline::model {
namespace {

constexpr int kNoByte = -1;
constexpr int kCharacters = 0x100 + 68;  // 68 bytes are not visible

constexpr bool Visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// By character: the byte it stands for.
constexpr std::array<int16_t, kCharacters> MakeBytes() {
  std::array<int16_t, kCharacters> bytes{};
  int next = 0x100;
  for (int i = 0; i < 0x100; ++i) bytes[i] = kNoByte;
  for (int byte = 0; byte < 0x100; ++byte) {
    bytes[Visible(byte) ? byte : next++] = static_cast<int16_t>(byte);
  }
  return bytes;
}
constexpr std::array<int16_t, kCharacters> kBytes = MakeBytes();

}  // namespace

std::optional<std::string> BytesOfToken(std::string_view token) {
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const Utf8Start start = StartOf(token.substr(i));
    if (start.kind != Utf8Start::kCharacter || start.length > 2) return std::nullopt;
    const auto first = static_cast<uint8_t>(token[i]);
    const int character =
        start.length == 1 ? first : (first & 0x1f) << 6 | (static_cast<uint8_t>(token[i + 1]) & 63);
    if (character >= kCharacters || kBytes[character] == kNoByte) return std::nullopt;
    bytes += static_cast<char>(kBytes[character]);
    i += start.length;
  }
  return bytes;
}

}  // namespace waferline::model
