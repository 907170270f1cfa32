// Where characters begin and end in bytes that may not be UTF-8 (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF). Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace waferline::model {

struct Utf8Start {
  enum Kind {
    kCharacter,   // `length` bytes are one character
    kIncomplete,  // all `length` bytes there are could begin a character
    kInvalid,     // `length` bytes (1 to 3) can belong to no character: one U+FFFD, as the Unicode
                  // standard recommends (maximal subpart, chapter 3.9)
  };
  Kind kind;
  size_t length;
};

// What `bytes`, which are not empty, begin with.
Utf8Start StartOf(std::string_view bytes);

// Appends the UTF-8 form of a code point, which must be at most U+10FFFF and no surrogate (bug
// otherwise).
void AppendUtf8(uint32_t point, std::string& text);

// U+FFFD
inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// `bytes` with U+FFFD for each part that is not UTF-8.
std::string Utf8Text(std::string_view bytes);

}  // namespace waferline::model
