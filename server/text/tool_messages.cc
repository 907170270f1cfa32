#include "server/text/tool_messages.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>

namespace waferline::text {
namespace {

namespace json = boost::json;

std::string Instructions(const json::array& tools) {
  std::string text = "You can call these functions, each a line of JSON:\n";
  for (const json::value& tool : tools) {
    const json::object* object = tool.if_object();
    const json::value* function = object == nullptr ? nullptr : object->if_contains("function");
    text += json::serialize(function == nullptr ? tool : *function) + "\n";
  }
  return text +
         "To call one, answer with:\n<tool_call>\n{\"name\": NAME, \"arguments\": "
         "{...}}\n</tool_call>";
}

// {"function": {"name": ..., "arguments": ...}, ...} as the model would have written it.
std::string CallText(const json::value& call) {
  const json::object* object = call.if_object();
  const json::value* function = object == nullptr ? nullptr : object->if_contains("function");
  if (function == nullptr || !function->is_object()) return "";
  const json::value* name = function->get_object().if_contains("name");
  const json::value* arguments = function->get_object().if_contains("arguments");
  return "<tool_call>\n{\"name\": " + json::serialize(name == nullptr ? json::value("") : *name) +
         ", \"arguments\": " +
         json::serialize(arguments == nullptr ? json::value(json::object()) : *arguments) +
         "}\n</tool_call>";
}

}  // namespace

bool MentionTools(std::span<const ChatMessage> messages, const json::array& tools) {
  return !tools.empty() || std::any_of(messages.begin(), messages.end(), [](const auto& message) {
    return message.role == "tool" || !message.tool_calls.empty();
  });
}

std::vector<ChatMessage> ToolsAsText(std::span<const ChatMessage> messages,
                                     const json::array& tools) {
  std::vector<ChatMessage> out;
  if (!tools.empty()) out.push_back({.role = "system", .content = Instructions(tools)});
  for (const ChatMessage& message : messages) {
    if (message.role == "tool") {
      out.push_back({.role = "user",
                     .content = "<tool_response>\n" + message.content + "\n</tool_response>"});
      continue;
    }
    ChatMessage& plain = out.emplace_back();
    plain.role = message.role;
    plain.content = message.content;
    for (const json::value& call : message.tool_calls) {
      if (!plain.content.empty()) plain.content += "\n";
      plain.content += CallText(call);
    }
    // One system message, not two.
    const bool instructed = !tools.empty() && out.size() == 2;
    if (!instructed || (message.role != "system" && message.role != "developer")) continue;
    out[0].content = message.content + "\n\n" + out[0].content;
    out.pop_back();
  }
  return out;
}

}  // namespace waferline::text
