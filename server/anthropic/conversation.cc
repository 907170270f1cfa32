#include "server/anthropic/conversation.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/strings.h"

namespace waferline::anthropic {
namespace {

namespace json = boost::json;
using openai::Fields;

void Join(json::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += '\n';
  text.append(json::string_view(more.data(), more.size()));
}

// Calls `read` with each block of a list, its path ready for errors.
template <typename Read>
void ForEachBlock(Fields& owner, std::string_view name, Read read) {
  const json::array* blocks = owner.Array(name, serving::kMaxContentParts);
  if (blocks == nullptr) return;
  for (size_t i = 0; i < blocks->size() && owner.ok(); ++i) {
    const std::string path = absl::StrCat(Absl(name), "[", i, "]");
    const json::object* object = (*blocks)[i].if_object();
    if (object == nullptr) return owner.Fail(path, "must be an object with 'type'");
    Fields block(*object, owner.PathOf(path) + ".");
    std::string type;
    block.Require({"type"});
    block.Text("type", serving::kMaxNameBytes, &type);
    if (block.ok()) read(type, block);
    owner.Fail(block.status());
  }
}

std::string BlockText(Fields& block) {
  std::string text;
  block.Require({"text"});
  block.Text("text", std::string::npos, &text);
  return text;
}

// A string, or blocks of text; absent is empty.
json::string ReadText(Fields& owner, std::string_view name) {
  json::string text;
  const json::value* value = owner.Find(name);
  if (value == nullptr) return text;
  if (value->is_string()) return value->get_string();
  if (!value->is_array()) owner.Fail(name, "must be a string or an array of text blocks");
  ForEachBlock(owner, name, [&](const std::string& type, Fields& block) {
    if (type != "text")
      return block.Fail("type", "must be text: the models here read nothing else");
    Join(text, BlockText(block));
  });
  return text;
}

class Reader {
 public:
  void ReadMessage(Fields& message);
  json::array Take() { return std::move(messages_); }
  bool asks() const { return !messages_.empty() && RoleOf(messages_.back()) != "assistant"; }
  void AddText(std::string_view role, std::string_view text);

 private:
  static std::string_view RoleOf(const json::value& message) {
    return message.at("role").get_string();
  }
  void ReadBlock(std::string_view role, const std::string& type, Fields& block);
  void ReadUse(Fields& block);
  void ReadResult(Fields& block);
  bool WasUsed(std::string_view id) const;

  json::array messages_;
  std::string thinking_;  // before the assistant's next block
};

void Reader::AddText(std::string_view role, std::string_view text) {
  const bool goes_on = !messages_.empty() && RoleOf(messages_.back()) == role &&
                       thinking_.empty() && !messages_.back().get_object().contains("tool_calls");
  if (!goes_on) {
    messages_.push_back(
        json::object{{"role", json::string_view(role.data(), role.size())}, {"content", ""}});
  }
  if (!thinking_.empty()) {
    messages_.back().get_object()["reasoning_content"] = std::exchange(thinking_, {});
  }
  Join(messages_.back().at("content").get_string(), text);
}

void Reader::ReadMessage(Fields& message) {
  std::string role;
  message.Require({"role", "content"});
  message.Text("role", serving::kMaxNameBytes, &role);
  if (message.ok() && role != "user" && role != "assistant") {
    message.Fail("role", "must be user or assistant; 'system' is a field of its own");
  }
  if (!message.ok()) return;
  const json::value* content = message.Find("content");
  if (content->is_string()) return AddText(role, content->get_string());
  ForEachBlock(message, "content",
               [&](const std::string& type, Fields& block) { ReadBlock(role, type, block); });
}

void Reader::ReadBlock(std::string_view role, const std::string& type, Fields& block) {
  if (type == "text") return AddText(role, BlockText(block));
  if (role == "assistant" && type == "tool_use") return ReadUse(block);
  if (role == "assistant" && type == "thinking") {
    block.Require({"thinking"});
    return block.Text("thinking", std::string::npos, &thinking_);
  }
  if (role == "assistant" && type == "redacted_thinking") return;  // cannot be read here
  if (role == "user" && type == "tool_result") return ReadResult(block);
  block.Fail("type", role == "user" ? "must be text or tool_result: the models here read text"
                                    : "must be text, thinking or tool_use");
}

void Reader::ReadUse(Fields& block) {
  std::string id, name;
  block.Require({"id", "name", "input"});
  block.Text("id", serving::kMaxNameBytes, &id);
  block.Text("name", serving::kMaxNameBytes, &name);
  const json::object* input = block.Object("input");
  if (!block.ok()) return;
  if (messages_.empty() || RoleOf(messages_.back()) != "assistant" || !thinking_.empty()) {
    AddText("assistant", "");
  }
  json::object& message = messages_.back().get_object();
  if (!message.contains("tool_calls")) message["tool_calls"] = json::array();
  message["tool_calls"].get_array().push_back(
      {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", *input}}}});
}

void Reader::ReadResult(Fields& block) {
  std::string id;
  bool is_error = false;
  block.Require({"tool_use_id"});
  block.Text("tool_use_id", serving::kMaxNameBytes, &id);
  block.Bool("is_error", &is_error);
  json::string content = ReadText(block, "content");
  if (block.ok() && !WasUsed(id)) block.Fail("tool_use_id", "is of no tool_use before it");
  if (!block.ok()) return;
  if (is_error) content.insert(0, "Error: ");
  messages_.push_back(
      json::object{{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(content)}});
}

bool Reader::WasUsed(std::string_view id) const {
  for (const json::value& message : messages_) {
    const json::value* calls = message.get_object().if_contains("tool_calls");
    if (calls == nullptr) continue;
    for (const json::value& call : calls->get_array()) {
      if (std::string_view(call.at("id").get_string()) == id) return true;
    }
  }
  return false;
}

}  // namespace

json::array ReadConversation(Fields& fields) {
  const json::array* list = fields.Array("messages", serving::kMaxMessages);
  if (list == nullptr || list->empty()) {
    fields.Fail("messages", "must be a list of at least one message");
    return {};
  }
  Reader reader;
  if (const json::string system = ReadText(fields, "system"); !system.empty()) {
    reader.AddText("system", system);
  }
  for (size_t i = 0; i < list->size() && fields.ok(); ++i) {
    const std::string path = absl::StrCat("messages[", i, "]");
    const json::object* object = (*list)[i].if_object();
    if (object == nullptr) {
      fields.Fail(path, "must be an object with role and content");
      break;
    }
    Fields message(*object, path + ".");
    reader.ReadMessage(message);
    fields.Fail(message.status());
  }
  if (fields.ok() && !reader.asks()) {
    fields.Fail("messages",
                "must end with the user's: an answer cannot begin with given text here");
  }
  return reader.Take();
}

}  // namespace waferline::anthropic
