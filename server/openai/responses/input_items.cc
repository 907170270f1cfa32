#include "server/openai/responses/input_items.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/serving/limits.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

json::object Message(std::string_view role, std::string_view content) {
  return {{"role", json::string_view(role.data(), role.size())},
          {"content", json::string_view(content.data(), content.size())}};
}

// A string, or parts of text.
std::string ReadText(Fields& item, std::string_view name) {
  const json::value* value = item.Find(name);
  if (value == nullptr) {
    item.Fail(name, "is missing");
    return "";
  }
  if (value->is_string()) return std::string(value->get_string());
  const json::array* parts = item.Array(name, serving::kMaxContentParts);
  if (parts == nullptr) return "";
  std::string text;
  for (size_t i = 0; i < parts->size(); ++i) {
    const std::string path = absl::StrCat(std::string(name), "[", i, "]");
    const json::object* object = (*parts)[i].if_object();
    if (object == nullptr) {
      item.Fail(path, "must be an object with 'type'");
      return "";
    }
    Fields part(*object, item.PathOf(path) + ".");
    std::string type, piece;
    part.Require({"type"});
    part.Text("type", serving::kMaxNameBytes, &type);
    if (part.ok() && type != "input_text" && type != "output_text" && type != "refusal") {
      part.Fail("type", "must be input_text, output_text or refusal: the models here read text");
    }
    const std::string_view field = type == "refusal" ? "refusal" : "text";
    part.Require({field});
    part.Text(field, std::string::npos, &piece);
    if (!part.ok()) {
      item.Fail(part.status());
      return "";
    }
    text += piece;
  }
  return text;
}

class InputReader {
 public:
  explicit InputReader(json::array* messages) : messages_(*messages) {}

  void Read(Fields& item);

 private:
  void ReadMessage(Fields& item);
  void ReadCall(Fields& item);
  void ReadOutput(Fields& item);
  void ReadReasoning(Fields& item);
  // The message that an assistant's item begins or goes on.
  json::object& AssistantMessage(bool may_go_on);
  bool WasCalled(std::string_view call_id) const;

  json::array& messages_;
  std::string reasoning_;  // before the assistant's next item
};

void InputReader::Read(Fields& item) {
  std::string type = item.Has("role") ? "message" : "";
  item.Text("type", serving::kMaxNameBytes, &type);
  if (!item.ok()) return;
  if (type == "message") return ReadMessage(item);
  if (type == "function_call") return ReadCall(item);
  if (type == "function_call_output") return ReadOutput(item);
  if (type == "reasoning") return ReadReasoning(item);
  item.Fail("type",
            "must be message, function_call, function_call_output or reasoning: other items are "
            "not read here");
}

void InputReader::ReadMessage(Fields& item) {
  std::string role;
  item.Require({"role"});
  item.Text("role", serving::kMaxNameBytes, &role);
  if (item.ok() && role != "user" && role != "assistant" && role != "system" &&
      role != "developer") {
    item.Fail("role", "must be user, assistant, system or developer");
  }
  const std::string text = ReadText(item, "content");
  if (!item.ok()) return;
  if (role != "assistant") {
    messages_.push_back(Message(role, text));
  } else {
    AssistantMessage(false)["content"] = text;
  }
}

void InputReader::ReadCall(Fields& item) {
  std::string id, name, arguments;
  item.Require({"call_id", "name", "arguments"});
  item.Text("call_id", serving::kMaxNameBytes, &id);
  item.Text("name", serving::kMaxNameBytes, &name);
  item.Text("arguments", std::string::npos, &arguments);
  if (!item.ok()) return;
  json::object& message = AssistantMessage(true);
  if (!message.contains("tool_calls")) message["tool_calls"] = json::array();
  message["tool_calls"].get_array().push_back(
      {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}});
}

json::object& InputReader::AssistantMessage(bool may_go_on) {
  const bool goes_on = may_go_on && reasoning_.empty() && !messages_.empty() &&
                       messages_.back().at("role").get_string() == "assistant";
  if (!goes_on) messages_.push_back(Message("assistant", ""));
  json::object& message = messages_.back().get_object();
  if (!reasoning_.empty()) message["reasoning_content"] = std::exchange(reasoning_, {});
  return message;
}

// Its text, or where there is none the summary. What is only encrypted cannot be read here.
void InputReader::ReadReasoning(Fields& item) {
  for (const char* name : {"content", "summary"}) {
    const json::array* parts = item.Array(name, serving::kMaxContentParts);
    if (parts == nullptr || !reasoning_.empty()) continue;
    for (const json::value& part : *parts) {
      const json::object* object = part.if_object();
      const json::value* text = object == nullptr ? nullptr : object->if_contains("text");
      if (text == nullptr || !text->is_string()) {
        return item.Fail(name, "must be a list of objects with 'text'");
      }
      reasoning_ += std::string_view(text->get_string());
    }
  }
}

void InputReader::ReadOutput(Fields& item) {
  std::string id;
  item.Require({"call_id", "output"});
  item.Text("call_id", serving::kMaxNameBytes, &id);
  const std::string output = ReadText(item, "output");
  if (item.ok() && !WasCalled(id)) {
    item.Fail("call_id",
              "is of no function call before it: send that item too, or previous_response_id");
  }
  if (!item.ok()) return;
  json::object message = Message("tool", output);
  message["tool_call_id"] = id;
  messages_.push_back(std::move(message));
}

bool InputReader::WasCalled(std::string_view call_id) const {
  for (const json::value& message : messages_) {
    const json::value* calls = message.get_object().if_contains("tool_calls");
    if (calls == nullptr) continue;
    for (const json::value& call : calls->get_array()) {
      if (std::string_view(call.at("id").get_string()) == call_id) return true;
    }
  }
  return false;
}

}  // namespace

absl::Status AppendInput(Fields& fields, json::array* messages) {
  const json::value* input = fields.Find("input");
  if (input != nullptr && input->is_string()) {
    messages->push_back(Message("user", input->get_string()));
    return absl::OkStatus();
  }
  if (input == nullptr || !input->is_array() || input->get_array().empty()) {
    fields.Fail("input", "must be a string, or a list of at least one item");
  }
  const json::array* items = fields.Array("input", serving::kMaxMessages);
  if (items == nullptr) return fields.status();
  InputReader reader(messages);
  for (size_t i = 0; i < items->size() && fields.ok(); ++i) {
    const std::string path = absl::StrCat("input[", i, "]");
    const json::object* object = (*items)[i].if_object();
    if (object == nullptr) {
      fields.Fail(path, "must be an object");
      break;
    }
    Fields item(*object, path + ".");
    reader.Read(item);
    fields.Fail(item.status());
  }
  return fields.status();
}

}  // namespace waferline::openai
