#include "server/anthropic/message_request.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/anthropic/conversation.h"
#include "server/anthropic/message_format.h"
#include "server/openai/api_error.h"
#include "server/openai/field_names.h"
#include "server/openai/fields.h"
#include "server/openai/prompt_fields.h"
#include "server/openai/request_fields.h"
#include "server/openai/sampling_fields.h"
#include "server/openai/tool_fields.h"
#include "server/serving/limits.h"
#include "server/text/tool_rules.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::anthropic {
namespace {

namespace json = boost::json;
using openai::Fields;

// Fields of a chat that have another name or no meaning here, and what is not served.
constexpr std::pair<const char*, const char*> kElsewhere[] = {
    {"response_format", "send 'output_config.format'"},
    {"functions", "send 'tools'"},
    {"function_call", "send 'tool_choice'"},
    {"logprobs", "use /v1/chat/completions for log-probabilities"},
    {"top_logprobs", "use /v1/chat/completions for log-probabilities"},
    {"return_token_ids", "use /v1/chat/completions for token ids"},
    {"mcp_servers", "no tools are run here; calls are the client's"},
    {"container", "no tools are run here; calls are the client's"},
    {"context_management", "conversations are taken whole"},
};

// Fields that a chat does not have, or has in another form. All others go on as they are.
constexpr std::string_view kOwn[] = {"system",   "messages",      "metadata",
                                     "tools",    "tool_choice",   "output_config",
                                     "thinking", "output_format", "service_tier"};

// What clients may misspell.
constexpr std::string_view kNames[] = {
    "system",   "messages",    "max_tokens", "stop_sequences", "tools",
    "thinking", "tool_choice", "metadata",   "output_config",  "service_tier"};

class MessageReader {
 public:
  explicit MessageReader(const json::object& body) : body_(body), fields_(body) {}

  absl::StatusOr<json::object> ReadChat(bool needs_max_tokens);
  const openai::FieldNames& names() const { return names_; }
  // Fields that have no effect; for x-waferline-warnings.
  const std::string& warning() const { return warning_; }

 private:
  void RefuseOthers();
  void ReadSettings();
  void ReadThinking();
  void ReadForm();
  void WithoutEffect(std::string_view name);
  void ReadTools();
  void ReadTool(size_t index, const json::value& value, json::array* out);
  void ReadToolChoice();

  const json::object& body_;
  Fields fields_;
  json::object chat_;
  openai::FieldNames names_ = {{"response_format.json_schema", "output_config.format"},
                               {"response_format", "output_config.format"},
                               {"thinking_budget", "thinking.budget_tokens"},
                               {"stop", "stop_sequences"}};
  std::string warning_;
};

absl::StatusOr<json::object> MessageReader::ReadChat(bool needs_max_tokens) {
  for (const auto& entry : body_) {
    const std::string_view name(entry.key().data(), entry.key().size());
    if (std::find(std::begin(kOwn), std::end(kOwn), name) == std::end(kOwn)) {
      chat_[entry.key()] = entry.value();
    }
  }
  fields_.Require({"messages"});
  if (needs_max_tokens) fields_.Require({"max_tokens"});
  RefuseOthers();
  ReadSettings();
  ReadThinking();
  ReadForm();
  ReadTools();
  ReadToolChoice();
  WL_RETURN_IF_ERROR(fields_.status());
  chat_["messages"] = ReadConversation(fields_);
  WL_RETURN_IF_ERROR(fields_.status());
  return std::move(chat_);
}

void MessageReader::RefuseOthers() {
  for (const auto& [name, instead] : kElsewhere) fields_.Unsupported(name, instead);
  fields_.Unsupported("n", "a message is one answer", 1);
}

void MessageReader::ReadSettings() {
  double temperature = 1;
  fields_.Number("temperature", 0, 1, &temperature);
  if (const json::object* metadata = fields_.Object("metadata")) {
    Fields inner(*metadata, "metadata.");
    std::string user;
    inner.Text("user_id", serving::kMaxNameBytes, &user);
    fields_.Fail(inner.status());
  }
  std::string tier = "auto";
  fields_.Text("service_tier", serving::kMaxNameBytes, &tier);
  if (tier == "standard_only") {
    chat_["service_tier"] = "default";
  } else if (tier != "auto") {
    fields_.Fail("service_tier", "must be auto or standard_only");
  }
}

// Whether models think may be switched, and for how long.
void MessageReader::ReadThinking() {
  const json::object* thinking = fields_.Object("thinking");
  if (thinking == nullptr) return;
  Fields inner(*thinking, "thinking.");
  inner.RefuseOthers({"type", "budget_tokens", "display"});
  std::string type, display;
  inner.Require({"type"});
  inner.Text("type", serving::kMaxNameBytes, &type);
  inner.Text("display", serving::kMaxNameBytes, &display);
  int64_t budget = 0;
  inner.Int("budget_tokens", 1, std::numeric_limits<int32_t>::max(), &budget);
  if (type == "disabled") {
    chat_["disable_reasoning"] = true;
  } else if (inner.ok() && type != "enabled" && type != "adaptive") {
    inner.Fail("type", "must be enabled, adaptive or disabled");
  }
  if (budget > 0 && type != "disabled") chat_["thinking_budget"] = budget;
  fields_.Fail(inner.status());
}

void MessageReader::WithoutEffect(std::string_view name) {
  warning_ += warning_.empty() ? "fields without effect: " : ", ";
  warning_ += name;
}

// output_config.format, and the name that it had in the beta.
void MessageReader::ReadForm() {
  const json::object* format = fields_.Object("output_format");
  if (const json::object* config = fields_.Object("output_config")) {
    Fields inner(*config, "output_config.");
    inner.RefuseOthers({"format", "effort"});
    if (inner.Has("effort")) WithoutEffect("output_config.effort");
    if (const json::object* later = inner.Object("format")) format = later;
    fields_.Fail(inner.status());
  }
  if (format == nullptr) return;
  json::object rest = *format;
  const json::value type = rest["type"];
  rest.stable_erase("type");
  if (type != json::value("json_schema")) {
    return fields_.Fail("output_config.format", "must have the type json_schema");
  }
  chat_["response_format"] = {{"type", type}, {"json_schema", std::move(rest)}};
}

void MessageReader::ReadTools() {
  const json::array* tools = fields_.Array("tools", text::kMaxTools);
  if (tools == nullptr) return;
  json::array out;
  for (size_t i = 0; i < tools->size() && fields_.ok(); ++i) ReadTool(i, (*tools)[i], &out);
  chat_["tools"] = std::move(out);
}

void MessageReader::ReadTool(size_t index, const json::value& value, json::array* out) {
  const std::string path = absl::StrCat("tools[", index, "]");
  const json::object* object = value.if_object();
  if (object == nullptr) return fields_.Fail(path, "must be an object");
  Fields tool(*object, path + ".");
  std::string type = "custom";
  tool.Text("type", serving::kMaxNameBytes, &type);
  if (tool.ok() && type != "custom") {
    tool.Fail("type", "must be \"custom\": other tools are not run here");
  }
  tool.Require({"name", "input_schema"});
  tool.RefuseOthers({"type", "name", "description", "input_schema", "cache_control", "strict"});
  if (!tool.ok()) return fields_.Fail(tool.status());
  json::object function;
  for (const char* name : {"name", "description", "strict"}) {
    if (const json::value* given = tool.Find(name)) function[name] = *given;
  }
  function["parameters"] = *tool.Find("input_schema");
  out->push_back({{"type", "function"}, {"function", std::move(function)}});
  names_.emplace_back(path + ".function.parameters", path + ".input_schema");
  names_.emplace_back(path + ".function", path);
}

void MessageReader::ReadToolChoice() {
  const json::object* choice = fields_.Object("tool_choice");
  if (choice == nullptr) return;
  Fields inner(*choice, "tool_choice.");
  std::string type, name;
  bool alone = false;
  inner.Require({"type"});
  inner.Text("type", serving::kMaxNameBytes, &type);
  inner.Text("name", serving::kMaxNameBytes, &name);
  inner.Bool("disable_parallel_tool_use", &alone);
  inner.RefuseOthers({"type", "name", "disable_parallel_tool_use"});
  if (alone) chat_["parallel_tool_calls"] = false;
  if (type == "tool") {
    inner.Require({"name"});
    chat_["tool_choice"] = {{"type", "function"}, {"function", {{"name", name}}}};
  } else if (type == "any") {
    chat_["tool_choice"] = "required";
  } else if (type == "auto" || type == "none") {
    chat_["tool_choice"] = type;
  } else if (inner.ok()) {
    inner.Fail("type", "must be auto, any, tool or none");
  }
  fields_.Fail(inner.status());
}

}  // namespace

absl::StatusOr<openai::ParsedRequest> ParseMessages(std::string_view body,
                                                    const openai::Envelope& envelope,
                                                    const text::ModelCatalog& catalog) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  MessageReader reader(object);
  WL_ASSIGN_OR_RETURN(const json::object chat, reader.ReadChat(true));
  auto parsed = openai::ParseChatFields(chat, envelope, catalog, kNames);
  if (!parsed.ok()) return openai::InNamesOf(reader.names(), parsed.status());
  parsed->names = reader.names();
  parsed->shape.id = "msg_" + envelope.request_id;
  if (parsed->shape.wants_details()) {
    return openai::FieldError("waferline.instants",
                              "'waferline.instants' is supported by /v1/chat/completions only");
  }
  if (!reader.warning().empty()) {
    if (!parsed->warning.empty()) parsed->warning += "; ";
    parsed->warning += reader.warning();
  }
  Fields fields(object);
  std::vector<std::string> stops = openai::ReadStop(fields);
  parsed->format = [stops = std::move(stops)](const openai::ResponseShape& shape) {
    return std::make_unique<MessageFormat>(stops, shape);
  };
  return parsed;
}

absl::StatusOr<std::string> CountTokens(std::string_view body, const text::ModelCatalog& catalog,
                                        int64_t unix_seconds) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  MessageReader reader(object);
  WL_ASSIGN_OR_RETURN(const json::object chat, reader.ReadChat(false));
  Fields fields(chat);
  WL_ASSIGN_OR_RETURN(const auto model, openai::FindModel(fields, catalog));
  const openai::ToolRequest tools = openai::ReadTools(fields);
  if (!fields.ok()) return openai::InNamesOf(reader.names(), fields.status());
  auto prompt = openai::ReadMessages(fields, *model, unix_seconds, tools.tools);
  if (!prompt.ok()) return openai::InNamesOf(reader.names(), prompt.status());
  return absl::StrCat("{\"input_tokens\":", prompt->tokens->size(), "}");
}

}  // namespace waferline::anthropic
