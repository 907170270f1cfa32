#include "server/openai/responses/item_list.h"

#include <boost/json/value.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

class ItemWriter {
 public:
  void Add(const json::object& message) {
    const std::string role(message.at("role").get_string());
    if (role == "tool") {
      Push("fco", {{"type", "function_call_output"},
                   {"call_id", message.at("tool_call_id")},
                   {"output", message.at("content")}});
      return;
    }
    if (const json::value* reasoning = message.if_contains("reasoning_content")) {
      Push("rs", {{"type", "reasoning"},
                  {"summary", json::array()},
                  {"content",
                   json::array{json::object{{"type", "reasoning_text"}, {"text", *reasoning}}}}});
    }
    const json::value& text = message.at("content");
    const bool says = text.is_string() && !text.get_string().empty();
    if (says || role != "assistant") {
      const char* const type = role == "assistant" ? "output_text" : "input_text";
      Push("msg", {{"type", "message"},
                   {"role", role},
                   {"content", json::array{json::object{{"type", type}, {"text", text}}}}});
    }
    const json::value* const calls = message.if_contains("tool_calls");
    if (calls == nullptr) return;
    for (const json::value& call : calls->get_array()) {
      Push("fc", {{"type", "function_call"},
                  {"call_id", call.at("id")},
                  {"name", call.at("function").at("name")},
                  {"arguments", call.at("function").at("arguments")}});
    }
  }

  std::vector<json::object> items;

 private:
  void Push(const char* kind, json::object item) {
    item["id"] = absl::StrCat(kind, "_", items.size());
    item["status"] = "completed";
    items.push_back(std::move(item));
  }
};

}  // namespace

std::vector<json::object> InputItemsOf(const StoredResponse& response) {
  ItemWriter writer;
  // The last message is the answer.
  for (size_t i = 0; i + 1 < response.messages.size(); ++i) {
    writer.Add(response.messages[i].get_object());
  }
  return std::move(writer.items);
}

}  // namespace waferline::openai
