#include "server/openai/request.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "absl/strings/str_cat.h"
#include "server/openai/answer_writer.h"
#include "server/openai/api_error.h"
#include "server/openai/constraint_fields.h"
#include "server/openai/json_text.h"
#include "server/openai/kv_leg_fields.h"
#include "server/openai/prediction_fields.h"
#include "server/openai/prompt_fields.h"
#include "server/openai/reasoning_fields.h"
#include "server/openai/request_fields.h"
#include "server/openai/sampling_fields.h"
#include "server/openai/tool_fields.h"
#include "server/openai/unread_fields.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

constexpr int64_t kDefaultCompletionTokens = 16;  // OpenAI's

// What both kinds of request do first and last.
absl::StatusOr<ParsedRequest> Begin(Fields& fields, const Envelope& envelope,
                                    const text::ModelCatalog& catalog, ResponseShape::Kind kind) {
  ParsedRequest parsed;
  WL_ASSIGN_OR_RETURN(parsed.model, FindModel(fields, catalog));
  RefuseUnsupported(fields);
  ResponseShape& shape = parsed.shape;
  shape.kind = kind;
  shape.id = absl::StrCat(shape.chat() ? "chatcmpl-" : "cmpl-", envelope.request_id);
  shape.model = parsed.model->name;
  shape.computed = parsed.model->origin == text::TokenOrigin::kComputed;
  ReadShape(fields, envelope, &shape);
  parsed.format = [tokenizer = parsed.model->tokenizer](const ResponseShape& final_shape) {
    return std::make_unique<AnswerWriter>(final_shape, *tokenizer);
  };
  return parsed;
}

// What the answer is held to: a form that the request gives, and calls of its tools.
absl::Status Constrain(Fields& fields, const ToolRequest* tools, ParsedRequest* parsed) {
  auto constraint = ReadConstraint(fields);
  WL_RETURN_IF_ERROR(fields.status());
  ResponseShape& shape = parsed->shape;
  if (tools != nullptr && !tools->tools.empty()) {
    WL_ASSIGN_OR_RETURN(constraint, ConstrainCalls(*tools, std::move(constraint), *parsed->model));
    shape.legacy_calls = tools->legacy;
  }
  if (!constraint) return absl::OkStatus();
  text::HoldTo(constraint->spec, &shape);
  parsed->constraint = std::move(constraint);
  return absl::OkStatus();
}

struct Ending {
  Expansion expansion;
  const ToolRequest* tools = nullptr;
  std::span<const std::string_view> own_fields = {};  // of the protocol, for misspellings
};

absl::Status End(Fields& fields, const Envelope& envelope, Ending ending, ParsedRequest* parsed) {
  Expansion& expansion = ending.expansion;
  ValidRequest pattern = ReadPlacing(fields, envelope);
  pattern.model = parsed->model->name;
  pattern.sampling = ReadSampling(fields, *parsed->model, envelope.fallback_seed);
  WL_RETURN_IF_ERROR(Constrain(fields, ending.tools, parsed));
  std::string endless;  // the warning that a budget has no effect
  if (parsed->shape.chat()) {
    WL_ASSIGN_OR_RETURN(parsed->thinking,
                        ReadThinkingBudget(fields, *parsed->model, parsed->shape, &endless));
  }
  pattern.sampling.top_logprobs = parsed->shape.logprobs;
  pattern.sampling.prompt_logprobs = parsed->shape.echo && parsed->shape.logprobs >= 0;
  parsed->shape.end_ids = pattern.sampling.end_ids;
  parsed->shape.text.min_tokens = pattern.sampling.min_tokens;
  pattern.prediction = parsed->shape.prediction;
  expansion.pattern = std::move(pattern);
  expansion.context = parsed->model->context_tokens.count();
  expansion.clip = envelope.dialect.clip_max_tokens;
  WL_ASSIGN_OR_RETURN(parsed->requests, Expand(expansion, parsed->shape));
  WL_RETURN_IF_ERROR(ReadKvLeg(fields, envelope, parsed));
  WL_RETURN_IF_ERROR(CheckUnread(fields, {envelope.dialect, ending.own_fields}, &parsed->warning));
  if (!endless.empty() && !parsed->warning.empty()) parsed->warning += "; ";
  parsed->warning += endless;
  int64_t room = expansion.context;
  for (const ValidRequest& request : parsed->requests) {
    room = std::min<int64_t>(room, request.max_tokens);
  }
  if (expansion.wanted > room) {
    if (!parsed->warning.empty()) parsed->warning += "; ";
    absl::StrAppend(&parsed->warning, "max_tokens cut to ", room, ", which the context leaves");
  }
  return absl::OkStatus();
}

// logprobs: how many of the likeliest tokens to show beside the chosen one.
int32_t ReadCompletionLogprobs(Fields& fields) {
  int32_t logprobs = -1;
  if (const auto* value = fields.Find("logprobs"); value != nullptr && value->is_bool()) {
    fields.Fail("logprobs", "is a number on /v1/completions: 0 for the chosen tokens only");
  }
  fields.Int("logprobs", 0, serving::kMaxTopLogprobs, &logprobs);
  return logprobs;
}

// logprobs: true, and top_logprobs for the likeliest tokens.
int32_t ReadChatLogprobs(Fields& fields) {
  bool logprobs = false;
  int32_t top = 0;
  fields.Bool("logprobs", &logprobs);
  fields.Int("top_logprobs", 0, serving::kMaxTopLogprobs, &top);
  if (fields.Find("top_logprobs") != nullptr && !logprobs && top > 0) {
    fields.Fail("top_logprobs", "needs logprobs: true");
  }
  return logprobs ? top : -1;
}

}  // namespace

absl::StatusOr<ParsedRequest> ParseCompletion(std::string_view body, const Envelope& envelope,
                                              const text::ModelCatalog& catalog) {
  WL_ASSIGN_OR_RETURN(const boost::json::object object, ParseObject(body));
  Fields fields(object);
  WL_ASSIGN_OR_RETURN(ParsedRequest parsed,
                      Begin(fields, envelope, catalog, ResponseShape::Kind::kCompletion));
  ResponseShape& shape = parsed.shape;
  for (const char* name : {"tools", "functions"}) {
    fields.Unsupported(name, "tools are called in chats: use /v1/chat/completions");
  }
  for (const char* name : {"tool_choice", "function_call"}) {
    const auto* choice = fields.Find(name);
    if (choice != nullptr && *choice == boost::json::value("none")) continue;
    fields.Unsupported(name, "tools are called in chats: use /v1/chat/completions");
  }
  fields.Unsupported("prediction", "predicted outputs are of chats: use /v1/chat/completions");
  fields.Unsupported("suffix", "text is continued at its end only");
  int64_t best_of = shape.n;
  fields.Int("best_of", 1, serving::kMaxChoices, &best_of);
  if (best_of != shape.n) {
    fields.Fail(WithCode(FieldError("best_of",
                                    "'best_of' is not supported here: leave it out; all "
                                    "n answers are returned"),
                         "unsupported_parameter"));
  }
  fields.Unsupported("top_logprobs", "'logprobs' is the number of alternatives here", 0);
  fields.Bool("echo", &shape.echo);
  shape.logprobs = ReadCompletionLogprobs(fields);

  const auto wanted = ReadMaxTokens(fields, shape.echo);
  if (wanted == 0 && shape.stream && shape.n > 1) {
    fields.Fail("n", "must be 1 when max_tokens is 0");
  }
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(shape.prompts, ReadPrompts(fields, *parsed.model, {.keep_text = shape.echo}));
  WL_RETURN_IF_ERROR(End(fields, envelope,
                         {.expansion = {.wanted = wanted, .fallback = kDefaultCompletionTokens}},
                         &parsed));
  return parsed;
}

std::optional<OwnArrival> OwnArrivalOf(std::string_view body) {
  const auto object = ParseObject(body);
  if (!object.ok()) return std::nullopt;
  Fields fields(*object);
  const boost::json::object* extension = fields.Object("waferline");
  if (extension == nullptr) return std::nullopt;
  Fields inner(*extension, "waferline.");
  const auto own = ReadOwnArrival(inner);
  return inner.ok() ? own : std::nullopt;
}

absl::StatusOr<ParsedRequest> ParseChat(std::string_view body, const Envelope& envelope,
                                        const text::ModelCatalog& catalog) {
  WL_ASSIGN_OR_RETURN(const boost::json::object object, ParseObject(body));
  return ParseChatFields(object, envelope, catalog);
}

absl::StatusOr<ParsedRequest> ParseChatFields(const boost::json::object& body,
                                              const Envelope& envelope,
                                              const text::ModelCatalog& catalog,
                                              std::span<const std::string_view> own_fields) {
  Fields fields(body);
  WL_ASSIGN_OR_RETURN(ParsedRequest parsed,
                      Begin(fields, envelope, catalog, ResponseShape::Kind::kChat));
  ResponseShape& shape = parsed.shape;
  for (const char* name : {"echo", "continue_final_message"}) {
    fields.Unsupported(name, "use /v1/completions to continue a text");
  }
  fields.Unsupported("audio", "this server speaks text only");
  fields.Unsupported("web_search_options", "this server cannot search");
  fields.Unsupported("store", "nothing is stored here");
  fields.Unsupported("chat_template", "the model's own template is used");
  fields.Unsupported("documents", "put them into a message");
  if (const auto* verbosity = fields.Find("verbosity");
      verbosity != nullptr && *verbosity != boost::json::value("medium")) {
    fields.Unsupported("verbosity", "say in a message how long the answer should be");
  }
  fields.Unsupported("best_of", "use n; all answers are returned", 1);
  shape.logprobs = ReadChatLogprobs(fields);
  const auto wanted = ReadMaxTokens(fields, false);
  WL_RETURN_IF_ERROR(fields.status());

  shape.prediction = ReadPrediction(fields, *parsed.model);
  const ToolRequest tools = ReadTools(fields);
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(ResponseShape::Prompt prompt,
                      ReadMessages(fields, *parsed.model, envelope.unix_seconds, tools.tools));
  shape.prompts.push_back(std::move(prompt));
  const text::ChatTemplate& chat = *parsed.model->chat;
  text::ReadAsReply(chat, *parsed.model->tokenizer, *shape.prompts.front().tokens, &shape);
  fields.Bool("include_reasoning", &shape.include_reasoning);
  WL_RETURN_IF_ERROR(End(fields, envelope,
                         {.expansion = {.wanted = wanted,
                                        .fallback = parsed.model->UnlimitedAnswer(),
                                        .prompt_field = "messages"},
                          .tools = &tools,
                          .own_fields = own_fields},
                         &parsed));
  WL_RETURN_IF_ERROR(CheckEffort(fields, chat, envelope.dialect, &parsed.warning));
  return parsed;
}

namespace {

void Hold(std::shared_ptr<const TokenConstraint> constraint, ParsedRequest* parsed) {
  if (parsed->thinking) constraint = text::HoldThinking(*parsed->thinking, std::move(constraint));
  for (ValidRequest& request : parsed->requests) request.sampling.constraint = constraint;
}

}  // namespace

bool FindConstraint(ParsedRequest* parsed) {
  std::shared_ptr<const TokenConstraint> found;
  if (parsed->constraint) found = parsed->model->grammars->Find(parsed->constraint->spec);
  if (parsed->constraint && found == nullptr) return false;
  Hold(std::move(found), parsed);
  return true;
}

absl::Status CompileConstraint(ParsedRequest* parsed) {
  if (!parsed->constraint) {
    Hold(nullptr, parsed);
    return absl::OkStatus();
  }
  const auto compiled = Compile(*parsed->constraint, *parsed->model);
  if (!compiled.ok()) return InNamesOf(parsed->names, compiled.status());
  Hold(*compiled, parsed);
  return absl::OkStatus();
}

}  // namespace waferline::openai
