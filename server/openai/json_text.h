// Appends JSON by hand: the writers of a stream cannot afford a document tree for each token.
// Pure functions, any thread. Cost: one pass over the text.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace waferline::openai {

// Quotes, backslashes and control characters escaped. `text` must be UTF-8; what is not is replaced
// by U+FFFD, so that the output is JSON whatever a model writes.
void AppendQuoted(std::string& out, std::string_view text);

// The same without the quotes around it.
void AppendEscaped(std::string& out, std::string_view text);

template <typename Integer>
void AppendInteger(std::string& out, Integer value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// Shortest text that reads back as the same number; JSON knows no infinities: they become
// +-`kFarLogprob`, NaN null.
void AppendNumber(std::string& out, double value);
void AppendNumber(std::string& out, float value);
inline constexpr double kFarLogprob = 9999.0;

// `text` with every byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string ToUtf8(std::string_view text);
bool IsUtf8(std::string_view text);
// Where its first byte is that is not a part of valid UTF-8; its size if there is none.
size_t ValidUtf8Bytes(std::string_view text);
// Code points in valid UTF-8.
int64_t CountCodePoints(std::string_view text);

// [1,2,3]
template <typename Integers>
void AppendIntegers(std::string& out, const Integers& integers) {
  out += '[';
  for (size_t i = 0; i < integers.size(); ++i) {
    if (i > 0) out += ',';
    AppendInteger(out, integers[i]);
  }
  out += ']';
}

}  // namespace waferline::openai
