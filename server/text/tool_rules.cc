#include "server/text/tool_rules.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"

namespace waferline::text {

namespace json = boost::json;

bool IsFunctionName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFunctionNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                  c == '.';
         });
}

std::optional<json::value> SchemaOfArguments(const json::object* parameters) {
  json::object schema = parameters == nullptr ? json::object() : *parameters;
  if (!schema.contains("type") && !schema.contains("$ref") && !schema.contains("anyOf")) {
    schema["type"] = "object";
  }
  const json::value* type = schema.if_contains("type");
  if (type != nullptr && *type != json::value("object")) return std::nullopt;
  if (parameters == nullptr || parameters->empty()) schema["properties"] = json::object();
  return json::value(std::move(schema));
}

bool ForceTool(std::string_view name, grammar::ToolCalls* calls) {
  std::erase_if(calls->tools, [&](const auto& tool) { return tool.name != name; });
  if (calls->tools.empty()) return false;
  calls->text_allowed = false;
  calls->several = false;
  return true;
}

std::optional<size_t> ResultOfNoCall(std::span<const ChatMessage> messages) {
  std::set<std::string_view> made;
  bool any = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    any |= !messages[i].tool_calls.empty();
    for (const json::value& call : messages[i].tool_calls) {
      const json::value* id = call.get_object().if_contains("id");
      if (id != nullptr) made.emplace(id->get_string());
    }
    const std::string& id = messages[i].tool_call_id;
    if (messages[i].role == "tool" && !(id.empty() ? any : made.contains(id))) return i;
  }
  return std::nullopt;
}

absl::StatusOr<grammar::GrammarSpec> SpecOfCalls(grammar::ToolCalls calls,
                                                 std::optional<grammar::GrammarSpec> answer,
                                                 const ChatTemplate& chat) {
  WL_ASSIGN_OR_RETURN(calls.form, chat.tool_form());
  grammar::FindBareArguments(&calls);
  grammar::GrammarSpec spec{.kind = grammar::GrammarSpec::Kind::kToolCalls};
  spec.calls = std::make_shared<const grammar::ToolCalls>(std::move(calls));
  if (answer) spec.answer = std::make_shared<const grammar::GrammarSpec>(*std::move(answer));
  return spec;
}

std::string CallId(const grammar::ToolCallForm& form, const CallPlace& place) {
  const uint64_t number = Mix(std::hash<std::string_view>()(place.request_id) ^
                              Mix(place.choice * 1000 + static_cast<uint64_t>(place.call)));
  const std::string digits = absl::StrCat(absl::Hex(number, absl::kZeroPad16));
  // Templates of Mistral take ids of nine letters and digits only.
  return form.name.starts_with("mistral") ? digits.substr(0, 9) : "call_" + digits;
}

}  // namespace waferline::text
