// What a block of a tool's use shows as its input.
#pragma once

#include <string>
#include <string_view>

namespace waferline::anthropic {

// `arguments` as a JSON object. Of arguments that were cut short (by a stop sequence, by
// max_tokens) the members that are whole, as this protocol emits them: a key with its value at a
// time. "{}" if there are none, or if it is not an object.
std::string ToolInput(std::string_view arguments);

}  // namespace waferline::anthropic
