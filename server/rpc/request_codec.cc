#include "server/rpc/request_codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/chat_codec.h"
#include "server/rpc/constraint_codec.h"
#include "server/rpc/kv_params.h"
#include "server/rpc/rpc_status.h"
#include "server/rpc/sampling_codec.h"
#include "server/serving/limits.h"
#include "server/serving/request_rules.h"
#include "server/text/prediction.h"
#include "server/text/tool_rules.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::rpc {
namespace {

absl::StatusOr<std::vector<TokenId>> DecodeIds(
    std::string_view field, const google::protobuf::RepeatedField<int32_t>& input,
    const text::ServedModel& model) {
  const std::vector<TokenId> ids(input.begin(), input.end());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!model.tokenizer->valid(ids[i])) {
      return FieldError(absl::StrCat(Absl(field), "[", i, "]"),
                        absl::StrCat(ids[i], " is not a token of this model; ids go from 0 to ",
                                     model.tokenizer->size() - 1));
    }
  }
  return ids;
}

// The prompt; of a chat, also how its reply is read and held.
absl::StatusOr<std::vector<TokenId>> DecodePrompt(const v1::GenerateRequest& message,
                                                  int64_t unix_seconds, DecodedRequest* decoded) {
  const text::ServedModel& model = *decoded->model;
  switch (message.input_case()) {
    case v1::GenerateRequest::kText:
      return DecodeText(message.text(),
                        {.parse_special = !message.has_parse_special() || message.parse_special()},
                        model);
    case v1::GenerateRequest::kTokenIds:
      return DecodeIds("token_ids.ids", message.token_ids().ids(), model);
    case v1::GenerateRequest::kChat:
      break;
    case v1::GenerateRequest::INPUT_NOT_SET:
      return FieldError("input", "is missing: give text, token_ids or chat");
  }
  WL_ASSIGN_OR_RETURN(DecodedChat chat, DecodeChat(message.chat(), model, unix_seconds));
  decoded->form = std::move(chat.form);
  if (chat.calls) {
    auto spec =
        text::SpecOfCalls(*std::move(chat.calls), std::move(decoded->constraint), *model.chat);
    if (!spec.ok()) return FieldError("chat.tools", std::string(Std(spec.status().message())));
    decoded->constraint = *std::move(spec);
  }
  const v1::ReasoningOptions& reasoning = message.chat().reasoning();
  decoded->include_reasoning = !reasoning.has_include_text() || reasoning.include_text();
  return std::move(chat.prompt);
}

absl::Status CheckDuration(std::string_view field, int64_t ns, int64_t min) {
  if (ns >= min && ns <= serving::kMaxDurationNs) return absl::OkStatus();
  return FieldError(field, absl::StrCat("must be from ", min, " ns to 31 days, not ", ns));
}

absl::Status DecodeScheduling(const v1::SchedulingOptions& options, ValidRequest* request) {
  switch (options.service_tier()) {
    case v1::SERVICE_TIER_UNSPECIFIED:
    case v1::SERVICE_TIER_AUTO:
      request->tier = ServiceTier::kAuto;
      break;
    case v1::SERVICE_TIER_DEFAULT:
      request->tier = ServiceTier::kDefault;
      break;
    case v1::SERVICE_TIER_FLEX:
      request->tier = ServiceTier::kFlex;
      break;
    case v1::SERVICE_TIER_PRIORITY:
      request->tier = ServiceTier::kPriority;
      break;
    default:
      return FieldError("scheduling.service_tier",
                        absl::StrCat(static_cast<int>(options.service_tier()),
                                     " is not known; AUTO, DEFAULT, FLEX and PRIORITY are"));
  }
  request->priority = options.priority();
  if (options.has_queue_threshold_ns()) {
    WL_RETURN_IF_ERROR(
        CheckDuration("scheduling.queue_threshold_ns", options.queue_threshold_ns(), 0));
    request->queue_threshold = Nanoseconds(options.queue_threshold_ns());
  }
  if (options.has_deadline_ns()) {
    WL_RETURN_IF_ERROR(CheckDuration("scheduling.deadline_ns", options.deadline_ns(), 1));
    request->deadline = Nanoseconds(options.deadline_ns());
  }
  if (options.has_arrival_ns() != options.has_arrival_number()) {
    return FieldError("scheduling.arrival_ns",
                      "and scheduling.arrival_number have an effect only together");
  }
  if (options.last_arrival() && !options.has_arrival_number()) {
    return FieldError("scheduling.last_arrival", "has no effect without arrival_number");
  }
  if (options.has_arrival_ns()) {
    WL_RETURN_IF_ERROR(CheckDuration("scheduling.arrival_ns", options.arrival_ns(), 0));
    request->own_arrival = OwnArrivalOf(options);
  }
  if (options.cache_salt().size() > serving::kMaxNameBytes) {
    return FieldError("scheduling.cache_salt",
                      absl::StrCat("must have at most ", serving::kMaxNameBytes, " bytes"));
  }
  request->cache_salt = options.cache_salt();
  return absl::OkStatus();
}

// How many tokens may come, given how much of the context the prompt leaves.
absl::Status DecodeMaxTokens(const v1::GenerateRequest& message, const text::ServedModel& model,
                             ValidRequest* request) {
  const int64_t context = model.context_tokens.count();
  const auto prompt = static_cast<int64_t>(request->prompt->size());
  if (prompt == 0) return FieldError("input", "has no token");
  const v1::StopConditions& stop = message.stop();
  const bool only_prompt = stop.has_max_tokens() && stop.max_tokens() == 0;
  if (prompt > context || (prompt == context && !only_prompt)) {
    return FieldError("input", absl::StrCat("has ", prompt, " tokens; this model's context is ",
                                            context, ", the answer included"));
  }
  if (only_prompt && !request->sampling.prompt_logprobs) {
    return FieldError("stop.max_tokens",
                      "must be at least 1 where no log-probabilities of the prompt are asked for");
  }
  if (stop.has_max_tokens() && prompt + stop.max_tokens() > context) {
    return FieldError("stop.max_tokens",
                      absl::StrCat("must be at most ", context - prompt, ": the prompt takes ",
                                   prompt, " of this model's context of ", context, " tokens"));
  }
  request->max_tokens =
      stop.has_max_tokens()
          ? stop.max_tokens()
          : static_cast<uint32_t>(std::min(context - prompt, model.UnlimitedAnswer()));
  if (stop.min_tokens() > request->max_tokens) {
    return FieldError("stop.min_tokens",
                      absl::StrCat("must be at most max_tokens, ", request->max_tokens));
  }
  return absl::OkStatus();
}

absl::StatusOr<serving::KvParams> DecodeLeg(const v1::GenerateRequest& message,
                                            const CallFacts& facts, ValidRequest* request) {
  constexpr char kName[] = "kv_transfer_params";
  absl::StatusOr<serving::KvParams> read = ReadKvParams(message.kv_transfer_params());
  if (read.ok()) read = facts.handoffs->Apply(*read, facts.unix_seconds, request);
  if (read.ok()) return read;
  return WithField(
      absl::Status(read.status().code(), absl::StrCat(kName, ": ", read.status().message())),
      kName);
}

absl::StatusOr<std::vector<std::string>> DecodeStopStrings(const v1::StopConditions& stop) {
  if (static_cast<size_t>(stop.strings_size()) > serving::kMaxStops) {
    return FieldError("stop.strings",
                      absl::StrCat("must have at most ", serving::kMaxStops, " strings"));
  }
  for (int i = 0; i < stop.strings_size(); ++i) {
    if (stop.strings(i).empty() || stop.strings(i).size() > serving::kMaxStopBytes) {
      return FieldError(absl::StrCat("stop.strings[", i, "]"),
                        absl::StrCat("must have from 1 to ", serving::kMaxStopBytes, " bytes"));
    }
  }
  return std::vector<std::string>(stop.strings().begin(), stop.strings().end());
}

}  // namespace

std::optional<OwnArrival> OwnArrivalOf(const v1::SchedulingOptions& options) {
  if (!options.has_arrival_ns() || !options.has_arrival_number()) return std::nullopt;
  return OwnArrival{.number = options.arrival_number(),
                    .at = Nanoseconds(options.arrival_ns()),
                    .last = options.last_arrival()};
}

absl::StatusOr<std::shared_ptr<const text::ServedModel>> FindModel(
    const std::string& name, const text::ModelCatalog& catalog) {
  if (name.empty() && catalog.all().size() == 1) return catalog.all().front();
  if (name.empty()) return FieldError("model", "is missing: this server has more than one");
  if (name.size() > serving::kMaxNameBytes) {
    return FieldError("model",
                      absl::StrCat("must have at most ", serving::kMaxNameBytes, " bytes"));
  }
  return catalog.Find(name);
}

absl::StatusOr<std::vector<TokenId>> DecodeText(const std::string& text,
                                                model::EncodeOptions options,
                                                const text::ServedModel& model) {
  WL_RETURN_IF_ERROR(CheckTextFits("text", text.size(), model));
  return model.tokenizer->Encode(text, options);
}

absl::StatusOr<std::string> DecodeIdsToText(const google::protobuf::RepeatedField<int32_t>& input,
                                            const text::ServedModel& model) {
  WL_ASSIGN_OR_RETURN(const std::vector<TokenId> ids, DecodeIds("token_ids", input, model));
  text::TextStream stream(model.tokenizer, {.skip_special = false});
  std::string text;
  for (const TokenId id : ids) text += stream.Feed(id).text;
  return text + stream.Finish().text;
}

absl::StatusOr<DecodedRequest> DecodeGenerate(const v1::GenerateRequest& message,
                                              const CallFacts& facts,
                                              const text::ModelCatalog& catalog) {
  DecodedRequest decoded;
  ValidRequest& request = decoded.request;
  if (!message.request_id().empty() && !serving::IsRequestId(message.request_id())) {
    return FieldError("request_id",
                      absl::StrCat("must have from 1 to ", serving::kMaxRequestIdBytes,
                                   " visible ASCII characters"));
  }
  request.request_id = message.request_id().empty() ? facts.request_id : message.request_id();
  request.tenant = facts.tenant;
  WL_ASSIGN_OR_RETURN(decoded.model, FindModel(message.model(), catalog));
  const text::ServedModel& model = *decoded.model;
  request.model = model.name;

  WL_ASSIGN_OR_RETURN(request.sampling, DecodeSampling(message, facts.fallback_seed, model));
  if (message.has_constraint()) {
    WL_ASSIGN_OR_RETURN(decoded.constraint, DecodeConstraint(message.constraint()));
  }
  WL_ASSIGN_OR_RETURN(std::vector<std::string> stops, DecodeStopStrings(message.stop()));
  WL_RETURN_IF_ERROR(DecodeScheduling(message.scheduling(), &request));

  WL_ASSIGN_OR_RETURN(std::vector<TokenId> prompt,
                      DecodePrompt(message, facts.unix_seconds, &decoded));
  WL_RETURN_IF_ERROR(CheckTextFits("prediction", message.prediction().size(), model));
  request.prediction = text::PredictionOf(message.prediction(), *model.tokenizer);
  request.prompt = std::make_shared<const std::vector<TokenId>>(std::move(prompt));
  WL_RETURN_IF_ERROR(DecodeMaxTokens(message, model, &request));
  WL_ASSIGN_OR_RETURN(decoded.handed_over, DecodeLeg(message, facts, &request));

  auto& stop = decoded.form.text.stop;
  stop.insert(stop.begin(), stops.begin(), stops.end());
  decoded.form.text.min_tokens = request.sampling.min_tokens;
  if (decoded.constraint) text::HoldTo(*decoded.constraint, &decoded.form);
  if (message.has_chat()) {
    WL_ASSIGN_OR_RETURN(decoded.thinking, DecodeThinking(message.chat(), model, decoded.form));
  }
  return decoded;
}

namespace {

void Hold(std::shared_ptr<const TokenConstraint> constraint, DecodedRequest* decoded) {
  if (decoded->thinking) constraint = text::HoldThinking(*decoded->thinking, std::move(constraint));
  decoded->request.sampling.constraint = std::move(constraint);
}

}  // namespace

bool FindConstraint(DecodedRequest* decoded) {
  std::shared_ptr<const TokenConstraint> found;
  if (decoded->constraint) found = decoded->model->grammars->Find(*decoded->constraint);
  if (decoded->constraint && found == nullptr) return false;
  Hold(std::move(found), decoded);
  return true;
}

absl::Status CompileConstraint(DecodedRequest* decoded) {
  std::shared_ptr<const TokenConstraint> constraint;
  if (decoded->constraint) {
    auto compiled = decoded->model->grammars->Compile(*decoded->constraint);
    if (!compiled.ok()) {
      const bool calls = decoded->constraint->calls != nullptr;
      return FieldError(calls ? "chat.tools" : "constraint",
                        absl::StrCat("cannot be honoured: ", compiled.status().message()));
    }
    constraint = *std::move(compiled);
  }
  Hold(std::move(constraint), decoded);
  return absl::OkStatus();
}

}  // namespace waferline::rpc
