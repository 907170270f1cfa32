// What `format` of JSON Schema asks of a text, as sets of texts: each a part of what RFC 3339,
// 4122, 5321, 1123, 4291 and 3986 allow, within lengths that end. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/char_automaton.h"

namespace waferline::grammar {

// None for formats that only describe (password, int32, binary ...). NotFound lists those that are
// known.
absl::StatusOr<std::optional<CharAutomaton>> FormatTexts(std::string_view format);

}  // namespace waferline::grammar
