#include "server/text/chat_template.h"

#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/text/built_in_templates.h"
#include "server/text/jinja/json_value.h"
#include "server/text/tool_format.h"
#include "server/text/tool_messages.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::text {
namespace {

using jinja::Text;
using jinja::Value;
using model::TextSegment;
using model::Tokenizer;

absl::StatusOr<std::string> RoleOf(const ChatMessage& message, size_t index) {
  if (message.role == "developer") return "system";
  if (message.role == "system" || message.role == "user" || message.role == "assistant" ||
      message.role == "tool") {
    return message.role;
  }
  return absl::InvalidArgumentError(absl::StrCat("messages[", index, "].role is ",
                                                 model::Quoted(message.role),
                                                 ", expected system, user, assistant or tool"));
}

// What a message says of tools and of reasoning, where it does. gpt-oss calls reasoning "thinking",
// and takes no content next to it.
void AddOtherFields(const ChatMessage& message, bool text_arguments, jinja::Dict* out) {
  static const std::string kNone;
  if (!message.tool_calls.empty()) {
    boost::json::array calls = message.tool_calls;
    for (boost::json::value& call : calls) {
      auto* object = text_arguments ? call.if_object() : nullptr;
      auto* function = object == nullptr ? nullptr : object->if_contains("function");
      auto* arguments = function == nullptr || !function->is_object()
                            ? nullptr
                            : function->get_object().if_contains("arguments");
      if (arguments != nullptr && !arguments->is_string()) {
        *arguments = boost::json::value(boost::json::serialize(*arguments));
      }
    }
    out->Set(Value::Of("tool_calls"), jinja::FromJson(calls, Text::Origin::kContent));
  }
  for (const auto& [key, text] :
       {std::pair("tool_call_id", &message.tool_call_id), std::pair("name", &message.name),
        std::pair("reasoning_content", &message.reasoning),
        std::pair("thinking", message.content.empty() ? &message.reasoning : &kNone)}) {
    if (!text->empty()) out->Set(Value::Of(key), Value(Text(*text, Text::Origin::kContent)));
  }
}

Value SpecialToken(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return Value::Of(id ? tokenizer.RawPiece(*id) : std::string_view());
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::FromFile(const model::GgufFile& file,
                                                    std::shared_ptr<const Tokenizer> tokenizer,
                                                    std::string name) {
  WL_ASSIGN_OR_RETURN(const std::string_view source,
                      file.metadata().StringOr("tokenizer.chat_template", ""));
  if (source.empty()) {
    return absl::UnimplementedError(
        "its file has no chat template (tokenizer.chat_template). Completions work; the "
        "server's configuration may choose a template (chat_template).");
  }
  return FromText(std::move(name), source, std::move(tokenizer));
}

absl::StatusOr<ChatTemplate> ChatTemplate::Named(std::string_view name,
                                                 std::shared_ptr<const Tokenizer> tokenizer) {
  for (const BuiltInTemplate& built_in : kBuiltInTemplates) {
    if (built_in.name != name) continue;
    return FromText(std::string(name), built_in.source, std::move(tokenizer));
  }
  return absl::NotFoundError(absl::StrCat("there is no chat template '", Absl(name),
                                          "', known: ", absl::StrJoin(BuiltInNames(), ", ")));
}

std::vector<std::string> ChatTemplate::BuiltInNames() {
  std::vector<std::string> names;
  for (const BuiltInTemplate& built_in : kBuiltInTemplates) names.emplace_back(built_in.name);
  return names;
}

absl::StatusOr<ChatTemplate> ChatTemplate::FromNameOrPath(
    const std::string& name_or_path, std::shared_ptr<const Tokenizer> tokenizer) {
  if (name_or_path.find_first_of("/.") == std::string::npos) {
    return Named(name_or_path, std::move(tokenizer));
  }
  WL_ASSIGN_OR_RETURN(const std::string source,
                      ReadFile(name_or_path, jinja::Template::kMaxSourceBytes));
  if (source.empty()) return absl::InvalidArgumentError(absl::StrCat(name_or_path, " is empty"));
  return FromText(name_or_path, source, std::move(tokenizer));
}

absl::StatusOr<ChatTemplate> ChatTemplate::FromText(std::string name, std::string_view source,
                                                    std::shared_ptr<const Tokenizer> tokenizer) {
  const absl::Status utf8 = CheckUtf8(source);
  auto parsed = utf8.ok() ? jinja::Template::Parse(source) : utf8;
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chat template (", name, "): ", parsed.status().message()));
  }
  ChatTemplate chat({std::move(name), source, *std::move(parsed)}, std::move(tokenizer));
  chat.reasoning_ = ReasoningMarksOf(source);
  chat.source_ = std::string(source);
  return chat;
}

ChatTemplate::ChatTemplate(Parts parts, std::shared_ptr<const Tokenizer> tokenizer)
    : name_(std::move(parts.name)),
      template_(std::move(parts.parsed)),
      tokenizer_(std::move(tokenizer)),
      takes_tools_(TakesTools(parts.source)),
      tool_form_(ToolFormOf(parts.source, *tokenizer_)) {
  FindHowRepliesEnd();
  if (takes_tools_) FindHowCallsAreGiven();
}

absl::Status ChatTemplate::UseToolForm(std::string_view name) {
  WL_ASSIGN_OR_RETURN(tool_form_, ToolFormNamed(name, *tokenizer_));
  if (!tool_form_->aside_begin.empty()) reasoning_ = ReasoningMarks::kChannels;
  return absl::OkStatus();
}

absl::StatusOr<Text> ChatTemplate::RenderText(std::span<const ChatMessage> messages,
                                              const ChatOptions& options,
                                              bool asks_for_reply) const {
  std::vector<ChatMessage> as_text;
  if (!takes_tools_ && MentionTools(messages, options.tools)) {
    as_text = ToolsAsText(messages, options.tools);
    messages = as_text;
  }
  jinja::List list;
  for (size_t i = 0; i < messages.size(); ++i) {
    WL_ASSIGN_OR_RETURN(const std::string role, RoleOf(messages[i], i));
    jinja::Dict message;
    message.Set(Value::Of("role"), Value::Of(role));
    const bool none =
        calls_given_.null_content && messages[i].content.empty() && !messages[i].tool_calls.empty();
    message.Set(Value::Of("content"),
                none ? Value() : Value(Text(messages[i].content, Text::Origin::kContent)));
    AddOtherFields(messages[i], calls_given_.text_arguments, &message);
    list.items.emplace_back(std::move(message));
  }
  jinja::Dict context;
  // What transformers gives every template; names a request adds may not hide the conversation.
  const Value kwargs = jinja::FromJson(options.template_kwargs, Text::Origin::kContent);
  for (const auto& [key, value] : kwargs.As<jinja::Dict>()->items()) context.Set(key, value);
  context.Set(Value::Of("messages"), Value(std::move(list)));
  context.Set(Value::Of("tools"), options.tools.empty() || !takes_tools_
                                      ? Value()
                                      : jinja::FromJson(options.tools, Text::Origin::kContent));
  context.Set(Value::Of("documents"), Value());
  context.Set(Value::Of("bos_token"), SpecialToken(*tokenizer_, tokenizer_->bos()));
  context.Set(Value::Of("eos_token"), SpecialToken(*tokenizer_, tokenizer_->eos()));
  context.Set(Value::Of("add_generation_prompt"), Value(asks_for_reply));
  auto text = template_.Render(context, options.unix_seconds);
  if (text.ok()) return text;
  return absl::InvalidArgumentError(absl::StrCat(
      "the model's chat template does not take these messages: ", text.status().message()));
}

absl::StatusOr<std::vector<TokenId>> ChatTemplate::Render(std::span<const ChatMessage> messages,
                                                          const ChatOptions& options) const {
  if (messages.empty()) return absl::InvalidArgumentError("messages is empty");
  WL_ASSIGN_OR_RETURN(const Text text, RenderText(messages, options, true));
  if (text.size() > options.max_text_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model's chat template makes ", text.size(),
                     " bytes of these messages, far more than its context can hold"));
  }
  std::vector<TextSegment> segments;
  const auto pieces = text.Pieces();
  for (const Text::Piece& piece : pieces) {
    segments.push_back({piece.bytes, piece.origin == Text::Origin::kTemplate});
  }
  std::vector<TokenId> ids = tokenizer_->EncodeSegments(segments, /*add_special=*/false);
  // A begin token as for any prompt, if the template writes none; never an end token: the reply is
  // to follow.
  const bool begins = !ids.empty() && tokenizer_->bos() == ids.front();
  if (tokenizer_->adds_bos() && !begins) ids.insert(ids.begin(), *tokenizer_->bos());
  return ids;
}

// Asks the template itself: the first way in which it writes a call wins.
void ChatTemplate::FindHowCallsAreGiven() {
  const boost::json::array calls = {boost::json::object(
      {{"type", "function"},
       {"id", "probecall"},
       {"function",
        boost::json::object(
            {{"name", "probe_name"}, {"arguments", boost::json::object({{"probe_key", 1}})}})}})};
  const std::vector<ChatMessage> talk = {
      {"user", "Q1"},
      {.role = "assistant", .content = "", .tool_calls = calls},
      {.role = "tool", .content = "R1", .tool_call_id = "probecall", .name = "probe_name"}};
  for (const bool text : {false, true}) {
    for (const bool none : {false, true}) {
      calls_given_ = {.null_content = none, .text_arguments = text};
      const auto whole = RenderText(talk, {}, true);
      if (!whole.ok()) continue;
      const std::string& bytes = whole->bytes();
      if (bytes.find("probe_key") != std::string::npos) return;
    }
  }
  calls_given_ = {};
}

// Asks the template itself, by a conversation whose contents are easy to find in what it writes.
void ChatTemplate::FindHowRepliesEnd() {
  const std::vector<ChatMessage> talk = {{"user", "Q1"}, {"assistant", "A1"}, {"user", "Q2"}};
  const auto whole = RenderText(talk, {}, false);
  const auto question = RenderText(std::span(talk).first(1), {}, true);
  if (!whole.ok() || !question.ok()) return;
  const std::string& bytes = whole->bytes();
  reply_begins_with_space_ = bytes.starts_with(question->bytes() + " A1");
  const size_t reply = bytes.find("A1");
  const size_t next = bytes.find("Q2", reply);
  if (reply == std::string::npos || next == std::string::npos) return;
  // What stands between the reply and the next question. If it begins with a control token, that
  // token ends the reply.
  const std::string between = bytes.substr(reply + 2, next - reply - 2);
  const std::vector<TokenId> ids =
      tokenizer_->Encode(Std(absl::StripLeadingAsciiWhitespace(between)),
                         {.add_special = false, .parse_special = true});
  if (ids.empty() || tokenizer_->IsSpecial(ids.front())) return;
  // "<|im_end|>\n<|im_start|>user\n" ends replies by its first line, "\nUser: " by all of it.
  const size_t line = between.find('\n', 1);
  std::string stop = between.front() == '\n' ? between : between.substr(0, line);
  stop = std::string(Std(absl::StripTrailingAsciiWhitespace(stop)));
  if (!stop.empty()) stop_strings_.push_back(std::move(stop));
}

}  // namespace waferline::text
