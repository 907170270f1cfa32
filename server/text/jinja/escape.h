// Backslash escapes in a template's strings. Pure.
#pragma once

#include <cstddef>
#include <string>

namespace waferline::jinja {

// Appends to `value` what the escape in `text` stands for whose backslash is before `i`; gives the
// last offset of the escape. Python's rules: an unknown escape stays as it is.
size_t ReadEscape(const std::string& text, size_t i, std::string& value);

}  // namespace waferline::jinja
