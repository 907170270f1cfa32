#include "server/rpc/chat_codec.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/rpc_status.h"
#include "server/serving/limits.h"
#include "server/serving/request_rules.h"
#include "server/text/tool_rules.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::rpc {
namespace {

namespace json = boost::json;

constexpr size_t kMaxJsonDepth = 128;

// `text` as JSON; an error if it is none, or too deep.
json::value Parsed(const std::string& text, json::error_code* error) {
  return json::parse(text, *error, {}, {.max_depth = kMaxJsonDepth});
}

const char* RoleOf(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return "system";
    case v1::ROLE_USER:
      return "user";
    case v1::ROLE_ASSISTANT:
      return "assistant";
    case v1::ROLE_TOOL:
      return "tool";
    default:
      return nullptr;
  }
}

// The calls of a message, with arguments as what they are, as templates expect it. Arguments that
// are not a JSON object stay a text.
json::array CallsOf(const v1::ChatMessage& message) {
  json::array calls;
  for (const v1::ToolCall& call : message.tool_calls()) {
    json::error_code error;
    json::value arguments = Parsed(call.arguments(), &error);
    if (error || !arguments.is_object()) arguments = json::value(call.arguments());
    json::object one = {
        {"type", "function"},
        {"function", json::object({{"name", call.name()}, {"arguments", std::move(arguments)}})}};
    if (!call.id().empty()) one["id"] = call.id();
    calls.push_back(std::move(one));
  }
  return calls;
}

absl::StatusOr<text::ChatMessage> DecodeMessage(const v1::ChatMessage& message,
                                                const std::string& at) {
  const char* role = RoleOf(message.role());
  if (role == nullptr) {
    return FieldError(at + ".role", "must be ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL");
  }
  const bool assistant = message.role() == v1::ROLE_ASSISTANT;
  const bool tool = message.role() == v1::ROLE_TOOL;
  if (!assistant && message.tool_calls_size() > 0) {
    return FieldError(at + ".tool_calls", "are for ROLE_ASSISTANT only");
  }
  if (!assistant && !message.reasoning().empty()) {
    return FieldError(at + ".reasoning", "is for ROLE_ASSISTANT only");
  }
  if (!tool && !message.tool_call_id().empty()) {
    return FieldError(at + ".tool_call_id", "is for ROLE_TOOL only");
  }
  if (!tool && !message.tool_name().empty()) {
    return FieldError(at + ".tool_name", "is for ROLE_TOOL only");
  }
  if (static_cast<size_t>(message.tool_calls_size()) > serving::kMaxContentParts) {
    return FieldError(at + ".tool_calls",
                      absl::StrCat("must be at most ", serving::kMaxContentParts));
  }
  return text::ChatMessage{.role = role,
                           .content = message.content(),
                           .tool_calls = CallsOf(message),
                           .reasoning = message.reasoning(),
                           .tool_call_id = message.tool_call_id(),
                           .name = message.tool_name()};
}

// Adds a tool to what may be called, and to what the template tells the model of.
absl::Status DecodeTool(const v1::Tool& tool, const std::string& at, grammar::ToolCalls* calls,
                        json::array* shown) {
  if (!text::IsFunctionName(tool.name())) {
    return FieldError(at + ".name", absl::StrCat("must have 1 to ", text::kMaxFunctionNameBytes,
                                                 " letters, digits, '_', '-' and '.'"));
  }
  for (const auto& other : calls->tools) {
    if (other.name == tool.name())
      return FieldError(at + ".name", "is the name of another tool, too");
  }
  json::object function = {{"name", tool.name()}};
  if (!tool.description().empty()) function["description"] = tool.description();
  const json::object* parameters = nullptr;
  if (!tool.parameters().empty()) {
    json::error_code error;
    function["parameters"] = Parsed(tool.parameters(), &error);
    parameters = error ? nullptr : function["parameters"].if_object();
    if (parameters == nullptr) return FieldError(at + ".parameters", "is not a JSON object");
  }
  auto schema = text::SchemaOfArguments(parameters);
  if (!schema) return FieldError(at + ".parameters", "must be the schema of an object");
  calls->tools.push_back({tool.name(), *std::move(schema)});
  shown->push_back(json::object({{"type", "function"}, {"function", std::move(function)}}));
  return absl::OkStatus();
}

// What may be called, or must; none if nothing may. `shown` is for the template.
absl::StatusOr<std::optional<grammar::ToolCalls>> DecodeTools(const v1::ChatInput& chat,
                                                              json::array* shown) {
  const bool none = chat.tool_choice() == v1::TOOL_CHOICE_NONE;
  const bool required = chat.tool_choice() == v1::TOOL_CHOICE_REQUIRED;
  if (!v1::ToolChoice_IsValid(chat.tool_choice())) {
    return FieldError("chat.tool_choice",
                      absl::StrCat(static_cast<int>(chat.tool_choice()), " is not known"));
  }
  if (static_cast<size_t>(chat.tools_size()) > text::kMaxTools) {
    return FieldError("chat.tools", absl::StrCat("must be at most ", text::kMaxTools));
  }
  grammar::ToolCalls calls;
  for (int i = 0; i < chat.tools_size(); ++i) {
    WL_RETURN_IF_ERROR(
        DecodeTool(chat.tools(i), absl::StrCat("chat.tools[", i, "]"), &calls, shown));
  }
  if (calls.tools.empty() && required) {
    return FieldError("chat.tool_choice", "needs tools to choose from");
  }
  calls.several = !chat.has_parallel_tool_calls() || chat.parallel_tool_calls();
  calls.text_allowed = !required;
  if (!chat.tool_function().empty()) {
    if (chat.tool_choice() != v1::TOOL_CHOICE_UNSPECIFIED) {
      return FieldError("chat.tool_function", "and chat.tool_choice exclude each other");
    }
    if (!text::ForceTool(chat.tool_function(), &calls)) {
      return FieldError("chat.tool_function", "names a function that is not among the tools");
    }
  }
  if (none) shown->clear();
  if (none || calls.tools.empty()) return std::nullopt;
  return calls;
}

// What the template reads of it.
absl::StatusOr<json::object> DecodeReasoning(const v1::ReasoningOptions& reasoning,
                                             const text::ChatTemplate& chat) {
  json::object names;
  const std::string& effort = reasoning.effort();
  if (reasoning.disabled() || effort == "none") names["enable_thinking"] = false;
  if (effort.empty() || effort == "none") return names;
  if (chat.source().find("reasoning_effort") == std::string::npos) {
    return FieldError("chat.reasoning.effort",
                      "has no effect: this model's template has no efforts; \"none\" asks for an "
                      "answer without reasoning");
  }
  names["reasoning_effort"] = effort;
  return names;
}

}  // namespace

absl::Status CheckTextFits(std::string_view field, size_t bytes, const text::ServedModel& model) {
  if (serving::TextMayFit(bytes, model)) return absl::OkStatus();
  return FieldError(
      field, absl::StrCat("has ", bytes, " bytes, far more than the ", model.context_tokens.count(),
                          " tokens of this model's context can hold"));
}

absl::StatusOr<DecodedChat> DecodeChat(const v1::ChatInput& chat, const text::ServedModel& model,
                                       int64_t unix_seconds) {
  if (!model.chat.ok()) {
    return FieldError("chat",
                      absl::StrCat("no chat with this model: ", model.chat.status().message()));
  }
  if (chat.messages_size() == 0 ||
      static_cast<size_t>(chat.messages_size()) > serving::kMaxMessages) {
    return FieldError("chat.messages",
                      absl::StrCat("must be from 1 to ", serving::kMaxMessages, " messages"));
  }
  DecodedChat decoded;
  text::ChatOptions options{.unix_seconds = unix_seconds, .template_kwargs = {}, .tools = {}};
  WL_ASSIGN_OR_RETURN(decoded.calls, DecodeTools(chat, &options.tools));
  WL_ASSIGN_OR_RETURN(options.template_kwargs, DecodeReasoning(chat.reasoning(), *model.chat));
  std::vector<text::ChatMessage> messages;
  size_t bytes = options.tools.empty() ? 0 : json::serialize(options.tools).size();
  for (int i = 0; i < chat.messages_size(); ++i) {
    WL_ASSIGN_OR_RETURN(text::ChatMessage message,
                        DecodeMessage(chat.messages(i), absl::StrCat("chat.messages[", i, "]")));
    bytes += chat.messages(i).ByteSizeLong();
    messages.push_back(std::move(message));
  }
  if (const auto at = text::ResultOfNoCall(messages)) {
    return FieldError(absl::StrCat("chat.messages[", *at, "]"), text::kResultOfNoCall);
  }
  WL_RETURN_IF_ERROR(CheckTextFits("chat.messages", bytes, model));
  options.max_text_bytes =
      static_cast<size_t>(model.context_tokens.count() * serving::kMaxTokenBytes);
  auto tokens = model.chat->Render(messages, options);
  if (!tokens.ok()) {
    return FieldError("chat.messages", std::string(Std(tokens.status().message())));
  }
  decoded.prompt = *std::move(tokens);
  text::ReadAsReply(*model.chat, *model.tokenizer, decoded.prompt, &decoded.form);
  return decoded;
}

absl::StatusOr<std::optional<text::ThinkingBudget>> DecodeThinking(const v1::ChatInput& chat,
                                                                   const text::ServedModel& model,
                                                                   const text::AnswerForm& form) {
  constexpr char kField[] = "chat.reasoning.budget_tokens";
  if (!chat.reasoning().has_budget_tokens()) return std::nullopt;
  if (form.reasoning == text::ReasoningMarks::kNone ||
      model.origin != text::TokenOrigin::kComputed) {
    return FieldError(kField, "has no effect: this answer has no reasoning");
  }
  auto budget = text::MakeThinkingBudget({.tokens = chat.reasoning().budget_tokens(),
                                          .marks = form.reasoning,
                                          .opened = form.reasoning_opened},
                                         *model.tokenizer);
  if (budget.ok()) return *std::move(budget);
  return FieldError(kField, absl::StrCat("is not supported here: ", budget.status().message()));
}

}  // namespace waferline::rpc
