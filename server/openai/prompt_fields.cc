#include "server/openai/prompt_fields.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/reasoning_fields.h"
#include "server/serving/limits.h"
#include "server/serving/request_rules.h"
#include "server/text/tool_rules.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;
using Prompt = ResponseShape::Prompt;

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

absl::Status Empty(const std::string& name) {
  return FieldError(name, absl::StrCat("'", name, "' must have at least one token"));
}

absl::StatusOr<Prompt> FromText(const std::string& name, std::string_view text,
                                const text::ServedModel& model, bool parse_special) {
  WL_RETURN_IF_ERROR(CheckTextFits(name, text.size(), model));
  auto tokens = std::make_shared<std::vector<TokenId>>(
      model.tokenizer->Encode(text, {.parse_special = parse_special}));
  if (tokens->empty()) return Empty(name);
  return Prompt{std::move(tokens), std::string(text)};
}

absl::StatusOr<Prompt> FromIds(const std::string& name, const json::array& ids,
                               const text::ServedModel& model, bool keep_text) {
  if (ids.empty()) return Empty(name);
  if (static_cast<int64_t>(ids.size()) > model.context_tokens.count()) {
    return ContextExceeded(name, model.context_tokens.count(),
                           absl::StrCat("'", name, "' has ", ids.size(), " tokens. Please reduce ",
                                        "the length of the prompt."));
  }
  auto tokens = std::make_shared<std::vector<TokenId>>();
  tokens->reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    int64_t id = 0;
    if (!AsInteger(ids[i], &id) || !model.tokenizer->valid(id)) {
      return FieldError(absl::StrCat(name, "[", i, "]"),
                        absl::StrCat("'", name, "[", i,
                                     "]' must be a token id of this model, an integer from 0 to ",
                                     model.tokenizer->size() - 1));
    }
    tokens->push_back(static_cast<TokenId>(id));
  }
  std::string text = keep_text ? model.tokenizer->Decode(*tokens) : "";
  return Prompt{std::move(tokens), std::move(text)};
}

// {"name": ..., "arguments": JSON as a string} with the arguments as what they are, as templates
// expect it. Arguments that are not a JSON object stay a string.
absl::StatusOr<json::object> ReadCall(const json::object& object, const std::string& path) {
  Fields function(object, path + ".");
  function.Require({"name", "arguments"});
  std::string name, text;
  function.Text("name", serving::kMaxNameBytes, &name);
  const json::value* given = function.Find("arguments");
  if (function.ok() && given->is_object()) {
    return json::object({{"name", name}, {"arguments", *given}});
  }
  if (function.ok() && !given->is_string()) {
    function.Fail("arguments", "must be JSON in a string, or an object");
  }
  function.Text("arguments", std::string::npos, &text);
  WL_RETURN_IF_ERROR(function.status());
  json::error_code error;
  json::value arguments = json::parse(text, error, {}, {.max_depth = kMaxDepth});
  if (error || !arguments.is_object()) arguments = json::value(text);
  return json::object({{"name", name}, {"arguments", std::move(arguments)}});
}

// The calls of an assistant's message, also by the older function_call.
absl::StatusOr<json::array> ReadCalls(Fields& message) {
  json::array calls;
  if (const json::object* legacy = message.Object("function_call")) {
    WL_ASSIGN_OR_RETURN(json::object call, ReadCall(*legacy, message.PathOf("function_call")));
    calls.push_back(json::object({{"type", "function"}, {"function", std::move(call)}}));
  }
  const json::array* list = message.Array("tool_calls", serving::kMaxContentParts);
  WL_RETURN_IF_ERROR(message.status());
  if (list == nullptr) return calls;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string name = absl::StrCat("tool_calls[", i, "]");
    const json::object* one = (*list)[i].if_object();
    const json::value* function = one == nullptr ? nullptr : one->if_contains("function");
    if (function == nullptr || !function->is_object()) {
      message.Fail(name, "must be an object with id, type and function");
      return message.status();
    }
    WL_ASSIGN_OR_RETURN(json::object call,
                        ReadCall(function->get_object(), message.PathOf(name + ".function")));
    json::object out = {{"type", "function"}, {"function", std::move(call)}};
    if (const json::value* id = one->if_contains("id")) {
      if (!id->is_string()) message.Fail(name + ".id", "must be a string");
      out["id"] = *id;
    }
    calls.push_back(std::move(out));
  }
  WL_RETURN_IF_ERROR(message.status());
  return calls;
}

absl::StatusOr<text::ChatMessage> ReadMessage(const json::value& value, const std::string& name) {
  if (!value.is_object()) {
    return FieldError(name, absl::StrCat("'", name, "' must be an object with role and content"));
  }
  Fields fields(value.get_object(), name + ".");
  text::ChatMessage message;
  fields.Text("role", serving::kMaxNameBytes, &message.role);
  if (message.role == "function") message.role = "tool";
  if (fields.ok() && message.role != "system" && message.role != "developer" &&
      message.role != "user" && message.role != "assistant" && message.role != "tool") {
    fields.Fail("role", "must be system, developer, user, assistant or tool");
  }
  if (message.role == "tool") {
    fields.Text("tool_call_id", serving::kMaxNameBytes, &message.tool_call_id);
    fields.Text("name", serving::kMaxNameBytes, &message.name);
  }
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(message.tool_calls, ReadCalls(fields));
  if (!message.tool_calls.empty() && message.role != "assistant") {
    fields.Fail("tool_calls", "are for role assistant only");
    return fields.status();
  }
  if (message.role == "assistant") {
    fields.Text(fields.NameOf("reasoning_content", {"reasoning"}), std::string::npos,
                &message.reasoning);
    WL_RETURN_IF_ERROR(fields.status());
  }
  WL_ASSIGN_OR_RETURN(message.content, ReadContent(fields, message.role == "assistant"));
  return message;
}

}  // namespace

absl::StatusOr<std::string> ReadContent(Fields& message, bool may_be_absent) {
  const json::value* content = message.Find("content");
  if (content == nullptr) {
    if (may_be_absent) return std::string();
    message.Fail("content", "is missing");
    return message.status();
  }
  if (content->is_string()) return std::string(View(content->get_string()));
  if (!content->is_array()) message.Fail("content", "must be a string or an array of parts");
  const json::array* parts = message.Array("content", serving::kMaxContentParts);
  if (parts == nullptr) return message.status();
  std::string text;
  for (size_t i = 0; i < parts->size(); ++i) {
    const std::string name = absl::StrCat("content[", i, "]");
    const json::value& part = (*parts)[i];
    if (!part.is_object()) {
      message.Fail(name, "must be an object with 'type'");
      return message.status();
    }
    Fields fields(part.get_object(), message.PathOf(name) + ".");
    std::string type;
    fields.Text("type", serving::kMaxNameBytes, &type);
    if (fields.ok() && type != "text") {
      fields.Fail("type", "must be \"text\": the models here read nothing else");
    }
    std::string piece;
    fields.Text("text", std::string::npos, &piece);
    WL_RETURN_IF_ERROR(fields.status());
    text += piece;
  }
  return text;
}

absl::Status CheckTextFits(std::string_view name, size_t bytes, const text::ServedModel& model) {
  if (serving::TextMayFit(bytes, model)) return absl::OkStatus();
  return ContextExceeded(
      name, model.context_tokens.count(),
      absl::StrCat("'", Absl(name), "' has ", bytes,
                   " bytes, far more than they can hold. Please reduce its ", "length."));
}

absl::StatusOr<std::vector<Prompt>> ReadPrompts(Fields& fields, const text::ServedModel& model,
                                                const PromptRules& rules) {
  const std::string field(rules.field);
  std::vector<Prompt> prompts;
  bool parse_special = true;
  fields.Bool("parse_special", &parse_special);
  const json::value* prompt = fields.Find(field);
  if (prompt == nullptr) {
    return FieldError(field, absl::StrCat("you must provide '", field,
                                          "': a string, a list of strings, a list of "
                                          "token ids or a list of such lists"));
  }
  const auto add = [&](absl::StatusOr<Prompt> one) -> absl::Status {
    if (one.ok()) prompts.push_back(*std::move(one));
    return one.status();
  };
  if (prompt->is_string()) {
    WL_RETURN_IF_ERROR(add(FromText(field, View(prompt->get_string()), model, parse_special)));
    return prompts;
  }
  if (!prompt->is_array() || prompt->get_array().empty()) {
    fields.Fail(field,
                "must be a string, a list of strings, a list of token ids or a list of "
                "such lists, and not empty");
    return fields.status();
  }
  const json::array& list = prompt->get_array();
  if (list[0].is_number()) {
    WL_RETURN_IF_ERROR(add(FromIds(field, list, model, rules.keep_text)));
    return prompts;
  }
  if (static_cast<int64_t>(list.size()) > rules.max_prompts) {
    fields.Fail(field, absl::StrCat("must have at most ", rules.max_prompts, " prompts"));
    return fields.status();
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string name = absl::StrCat(field, "[", i, "]");
    if (list[i].is_string()) {
      WL_RETURN_IF_ERROR(add(FromText(name, View(list[i].get_string()), model, parse_special)));
    } else if (list[i].is_array()) {
      WL_RETURN_IF_ERROR(add(FromIds(name, list[i].get_array(), model, rules.keep_text)));
    } else {
      fields.Fail(name, "must be a string or a list of token ids");
      return fields.status();
    }
  }
  return prompts;
}

absl::StatusOr<Prompt> ReadMessages(Fields& fields, const text::ServedModel& model,
                                    int64_t unix_seconds, const json::array& tools) {
  if (!model.chat.ok()) {
    return WithParam(absl::FailedPreconditionError(
                         absl::StrCat("no chat with this model: ", model.chat.status().message())),
                     "messages");
  }
  const json::array* list = fields.Array("messages", serving::kMaxMessages);
  if (list == nullptr || list->empty()) {
    fields.Fail("messages", "must be a list of at least one message");
    return fields.status();
  }
  std::vector<text::ChatMessage> messages;
  size_t bytes = 0;
  for (size_t i = 0; i < list->size(); ++i) {
    WL_ASSIGN_OR_RETURN(text::ChatMessage message,
                        ReadMessage((*list)[i], absl::StrCat("messages[", i, "]")));
    bytes += message.content.size() + message.reasoning.size();
    if (!message.tool_calls.empty()) bytes += json::serialize(message.tool_calls).size();
    messages.push_back(std::move(message));
  }
  if (const auto at = text::ResultOfNoCall(messages)) {
    const std::string name = absl::StrCat("messages[", *at, "]");
    return FieldError(name, absl::StrCat("'", name, "' ", Absl(text::kResultOfNoCall)));
  }
  if (!tools.empty()) bytes += json::serialize(tools).size();
  WL_RETURN_IF_ERROR(CheckTextFits("messages", bytes, model));
  text::ChatOptions options{.unix_seconds = unix_seconds, .template_kwargs = {}, .tools = tools};
  options.max_text_bytes =
      static_cast<size_t>(model.context_tokens.count() * serving::kMaxTokenBytes);
  if (const json::object* kwargs = fields.Object("chat_template_kwargs")) {
    options.template_kwargs = *kwargs;
  }
  ReadReasoningFields(fields, *model.chat, &options.template_kwargs);
  WL_RETURN_IF_ERROR(fields.status());
  auto tokens = model.chat->Render(messages, options);
  if (!tokens.ok()) return WithParam(tokens.status(), "messages");
  return Prompt{std::make_shared<std::vector<TokenId>>(*std::move(tokens)), ""};
}

}  // namespace waferline::openai
