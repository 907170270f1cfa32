#include "server/openai/responses/response_request.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/field_names.h"
#include "server/openai/fields.h"
#include "server/openai/json_text.h"
#include "server/openai/responses/input_items.h"
#include "server/openai/responses/repeated_fields.h"
#include "server/openai/responses/response_format.h"
#include "server/serving/limits.h"
#include "server/text/tool_rules.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

constexpr size_t kMaxIncludes = 16;

// Fields of a chat that have another name or no meaning here.
struct Elsewhere {
  const char* name;
  const char* instead;
  double off = 0;
};
constexpr Elsewhere kElsewhere[] = {
    {"messages", "send 'input'"},
    {"response_format", "send 'text.format'"},
    {"functions", "send 'tools'"},
    {"function_call", "send 'tool_choice'"},
    {"n", "a response is one answer", 1},
    {"logprobs", "use /v1/chat/completions for log-probabilities"},
    {"top_logprobs", "use /v1/chat/completions for log-probabilities"},
    {"return_token_ids", "use /v1/chat/completions for token ids"},
    {"background", "an answer is sent as the answer to its request"},
    {"conversation", "send 'previous_response_id', or all items"},
    {"prompt", "no prompts are stored here; send 'instructions' and 'input'"},
    {"max_tool_calls", "no tools are run here; calls are the client's"},
};

// Fields that a chat does not have, or has in another form. All others go on as they are.
constexpr std::string_view kOwn[] = {"input",
                                     "instructions",
                                     "text",
                                     "reasoning",
                                     "store",
                                     "previous_response_id",
                                     "include",
                                     "metadata",
                                     "truncation",
                                     "stream_options",
                                     "safety_identifier",
                                     "prompt_cache_key",
                                     "tools",
                                     "tool_choice",
                                     "prompt_cache_retention"};

class ResponseReader {
 public:
  ResponseReader(const json::object& body, const Envelope& envelope, ResponseStore* store)
      : body_(body), envelope_(envelope), store_(*store), fields_(body) {}

  // The fields of a chat.
  absl::StatusOr<json::object> ReadChat();
  const FieldNames& names() const { return names_; }
  ResponsePlan TakePlan(const ParsedRequest& parsed);

 private:
  void RefuseOthers();
  absl::Status ReadConversation();
  void ReadFormat();
  void ReadReasoning();
  void ReadTools();
  void ReadToolChoice();

  const json::object& body_;
  const Envelope& envelope_;
  ResponseStore& store_;
  Fields fields_;
  json::object chat_;
  json::array messages_;  // without instructions
  bool stored_ = true;
  FieldNames names_ = {{"response_format.json_schema", "text.format"},
                       {"response_format", "text.format"},
                       {"reasoning_effort", "reasoning.effort"},
                       {"messages", "input"}};
};

absl::StatusOr<json::object> ResponseReader::ReadChat() {
  for (const auto& entry : body_) {
    const std::string_view name(entry.key().data(), entry.key().size());
    if (std::find(std::begin(kOwn), std::end(kOwn), name) == std::end(kOwn)) {
      chat_[entry.key()] = entry.value();
    }
  }
  RefuseOthers();
  ReadFormat();
  ReadReasoning();
  ReadTools();
  ReadToolChoice();
  WL_RETURN_IF_ERROR(fields_.status());
  WL_RETURN_IF_ERROR(ReadConversation());
  return std::move(chat_);
}

void ResponseReader::RefuseOthers() {
  for (const Elsewhere& other : kElsewhere) {
    fields_.Unsupported(other.name, other.instead, other.off);
  }
  std::string truncation = "disabled";
  fields_.Text("truncation", serving::kMaxNameBytes, &truncation);
  if (truncation != "disabled") {
    fields_.Fail("truncation", "must be disabled: conversations are taken whole");
  }
  if (const json::array* include = fields_.Array("include", kMaxIncludes)) {
    for (const json::value& one : *include) {
      // Reasoning comes as text, so that none is lost without it.
      if (one == json::value("reasoning.encrypted_content")) continue;
      fields_.Fail("include", "can name nothing but reasoning.encrypted_content here");
    }
  }
  std::string text;
  for (const char* name : {"safety_identifier", "prompt_cache_key", "prompt_cache_retention"}) {
    fields_.Text(name, serving::kMaxNameBytes, &text);
  }
  fields_.Object("metadata");
  fields_.Bool("store", &stored_);
  if (const json::object* options = fields_.Object("stream_options")) {
    Fields inner(*options, "stream_options.");
    bool padded = false;  // events are not padded, whichever is asked for
    inner.Bool("include_obfuscation", &padded);
    inner.RefuseOthers({"include_obfuscation"});
    fields_.Fail(inner.status());
  }
}

absl::Status ResponseReader::ReadConversation() {
  std::string previous, instructions;
  fields_.Text("previous_response_id", serving::kMaxNameBytes, &previous);
  fields_.Text("instructions", std::string::npos, &instructions);
  if (!previous.empty()) {
    const auto stored = store_.Find({envelope_.tenant, previous});
    if (!stored.ok()) {
      if (!absl::IsNotFound(stored.status())) return stored.status();
      return WithCode(FieldError("previous_response_id",
                                 absl::StrCat("'previous_response_id' names no response here: ",
                                              stored.status().message())),
                      "previous_response_not_found");
    }
    messages_ = (*stored)->messages;
  }
  WL_RETURN_IF_ERROR(AppendInput(fields_, &messages_));
  json::array shown = messages_;
  if (!instructions.empty()) {
    // Many templates take one system message, at the beginning.
    const json::string& role = shown[0].at("role").get_string();
    if (role == "system" || role == "developer") {
      json::string& content = shown[0].at("content").as_string();
      content.insert(0, instructions + "\n\n");
    } else {
      shown.insert(shown.begin(), json::object{{"role", "system"}, {"content", instructions}});
    }
  }
  chat_["messages"] = std::move(shown);
  return fields_.status();
}

void ResponseReader::ReadFormat() {
  const json::object* text = fields_.Object("text");
  if (text == nullptr) return;
  Fields inner(*text, "text.");
  inner.RefuseOthers({"format", "verbosity"});
  if (const json::value* verbosity = inner.Find("verbosity")) {
    if (*verbosity != json::value("medium")) {
      inner.Unsupported("verbosity", "say in the instructions how long the answer should be");
    }
  }
  if (const json::object* format = inner.Object("format")) {
    json::object rest = *format;
    const json::value type = rest["type"];
    rest.stable_erase("type");
    chat_["response_format"] = *format;
    if (type == json::value("json_schema")) {
      chat_["response_format"] = {{"type", type}, {"json_schema", std::move(rest)}};
    }
  }
  fields_.Fail(inner.status());
}

void ResponseReader::ReadReasoning() {
  const json::object* reasoning = fields_.Object("reasoning");
  if (reasoning == nullptr) return;
  Fields inner(*reasoning, "reasoning.");
  inner.RefuseOthers({"effort", "summary", "generate_summary"});
  // Reasoning is shown whole, which serves those who ask for a summary.
  std::string summary;
  inner.Text("summary", serving::kMaxNameBytes, &summary);
  inner.Text("generate_summary", serving::kMaxNameBytes, &summary);
  if (const json::value* effort = inner.Find("effort")) chat_["reasoning_effort"] = *effort;
  fields_.Fail(inner.status());
}

// {"type": "function", "name": ...}: a chat has all but the type in "function".
void ResponseReader::ReadTools() {
  const json::array* tools = fields_.Array("tools", text::kMaxTools);
  if (tools == nullptr) return;
  json::array out;
  for (size_t i = 0; i < tools->size() && fields_.ok(); ++i) {
    const std::string path = absl::StrCat("tools[", i, "]");
    const json::object* object = (*tools)[i].if_object();
    if (object == nullptr) return fields_.Fail(path, "must be an object");
    Fields tool(*object, path + ".");
    std::string type;
    tool.Require({"type"});
    tool.Text("type", serving::kMaxNameBytes, &type);
    if (tool.ok() && type != "function") {
      tool.Fail("type", "must be \"function\": other tools are not run here");
    }
    fields_.Fail(tool.status());
    json::object function = *object;
    function.stable_erase("type");
    out.push_back({{"type", "function"}, {"function", std::move(function)}});
    names_.emplace_back(path + ".function", path);
  }
  chat_["tools"] = std::move(out);
}

void ResponseReader::ReadToolChoice() {
  const json::value* choice = fields_.Find("tool_choice");
  if (choice == nullptr) return;
  chat_["tool_choice"] = *choice;
  if (choice->is_string()) return;
  const json::object* object = fields_.Object("tool_choice");
  if (object == nullptr) return;
  const json::value* type = object->if_contains("type");
  const json::value* name = object->if_contains("name");
  if (type == nullptr || *type != json::value("function") || name == nullptr) {
    return fields_.Fail("tool_choice",
                        "must be none, auto, required or {\"type\": \"function\", \"name\": ...}");
  }
  chat_["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
}

ResponsePlan ResponseReader::TakePlan(const ParsedRequest& parsed) {
  ResponsePlan plan{.repeated = RepeatedFields(body_, parsed.model->temperature),
                    .messages = std::move(messages_),
                    .store = nullptr};
  if (stored_) {
    plan.store = [store = &store_, tenant = envelope_.tenant,
                  id = parsed.shape.id](StoredResponse response) {
      store->Put({tenant, id}, std::move(response));
    };
  }
  return plan;
}

}  // namespace

absl::StatusOr<ParsedRequest> ParseResponse(std::string_view body, const Envelope& envelope,
                                            const text::ModelCatalog& catalog,
                                            ResponseStore* store) {
  WL_ASSIGN_OR_RETURN(const json::object object, ParseObject(body));
  ResponseReader reader(object, envelope, store);
  WL_ASSIGN_OR_RETURN(const json::object chat, reader.ReadChat());
  auto parsed = ParseChatFields(chat, envelope, catalog, kOwn);
  if (!parsed.ok()) return InNamesOf(reader.names(), parsed.status());
  parsed->shape.id = "resp_" + envelope.request_id;
  if (parsed->shape.wants_details()) {
    return FieldError("waferline.instants",
                      "'waferline.instants' is supported by /v1/chat/completions only");
  }
  parsed->names = reader.names();
  parsed->format = [plan = reader.TakePlan(*parsed)](const ResponseShape& shape) {
    return std::make_unique<ResponseFormat>(plan, shape);
  };
  return parsed;
}

}  // namespace waferline::openai
