#include "server/openai/reasoning_fields.h"

#include <boost/json/value.hpp>
#include <string>

#include "server/serving/limits.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

bool Reads(const text::ChatTemplate& chat, const char* name) {
  return chat.source().find(name) != std::string::npos;
}

}  // namespace

void ReadReasoningFields(Fields& fields, const text::ChatTemplate& chat, json::object* names) {
  bool disabled = false;
  fields.Bool("disable_reasoning", &disabled);
  const json::value* effort = fields.Find("reasoning_effort");
  if (effort != nullptr && *effort == json::value("none")) {
    disabled = true;
  } else if (effort != nullptr && Reads(chat, "reasoning_effort")) {
    std::string text;
    fields.Text("reasoning_effort", serving::kMaxNameBytes, &text);
    names->insert({{"reasoning_effort", text}});
  } else {
    fields.Unsupported("reasoning_effort",
                       "this model's template has no efforts; none asks for an answer without "
                       "reasoning");
  }
  if (disabled) names->insert({{"enable_thinking", false}});
  bool clear = true;
  fields.Bool("clear_thinking", &clear);
  if (fields.Has("clear_thinking") && Reads(chat, "clear_thinking")) {
    names->insert({{"clear_thinking", clear}});
  } else if (!clear) {
    fields.AlwaysOn("clear_thinking",
                    "this model's template decides which reasoning of earlier turns it shows");
  }
}

}  // namespace waferline::openai
