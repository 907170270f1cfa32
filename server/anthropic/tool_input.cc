#include "server/anthropic/tool_input.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "server/openai/fields.h"

namespace waferline::anthropic {
namespace {

namespace json = boost::json;

bool IsObject(std::string_view text) {
  json::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error, {},
                                        {.max_depth = static_cast<size_t>(openai::kMaxDepth)});
  return !error && value.is_object();
}

// Where the last member that is whole has ended: at the comma after it, or at the end of what
// closes a string, an array or an object. A number that nothing follows may have lost digits. 0:
// nowhere.
size_t EndOfWholeMembers(std::string_view text) {
  size_t end = 0;
  int depth = 0;
  bool in_string = false, in_value = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    bool closed = false;
    if (in_string) {
      if (c == '\\') ++i;
      closed = c == '"';
      in_string = !closed;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      closed = --depth == 1;
    } else if (c == ':' && depth == 1) {
      in_value = true;
    } else if (c == ',' && depth == 1) {
      end = i;
      in_value = false;
    }
    if (closed && depth == 1 && in_value) end = i + 1;
  }
  return end;
}

}  // namespace

std::string ToolInput(std::string_view arguments) {
  if (IsObject(arguments)) return std::string(arguments);
  std::string whole(arguments.substr(0, EndOfWholeMembers(arguments)));
  whole += '}';
  return IsObject(whole) ? whole : "{}";
}

}  // namespace waferline::anthropic
