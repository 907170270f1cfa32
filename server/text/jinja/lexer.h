// A template's text cut into tokens, with Jinja's white space rules as Hugging Face sets them
// (trim_blocks, lstrip_blocks, no trailing newline). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace waferline::jinja {

struct Token {
  enum class Kind : uint8_t {
    kData,        // text between tags
    kPrintBegin,  // {{
    kPrintEnd,    // }}
    kBlockBegin,  // {%
    kBlockEnd,    // %}
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;  // data, name, operator; a string's value; a number's digits
  int line = 1;

  bool Is(Kind k, std::string_view t) const { return kind == k && text == t; }
};

// InvalidArgument with the line of a tag or string that is not closed, or a character that no token
// begins with. The last token is kEnd.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace waferline::jinja
