#include "server/engines/openengine_request.h"

#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/engines/codec_parts.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/status.h"

namespace waferline::engines {
namespace {

namespace oe = openengine::v1;
using rpc::FieldError;

constexpr std::string_view kNotInOpenEngine[] = {
    "media",
    "lora_name",
    "stopping.include_stop_in_output",
    "response.return_prompt_logprobs",
    "response.prompt_candidates",
    "response.prompt_logprob_start",
    "response.output_candidates.token_ids",
    "response.output_candidates.all",
    "kv.bypass_prefix_cache",
    "guided.structural_tag",
    "guided.backend",
};

// waferline.v1's name, openengine's. The first that fits.
constexpr std::pair<std::string_view, std::string_view> kOpenEngineNames[] = {
    {"stop.strings", "stopping.conditions"},
    {"stop.token_ids", "stopping.conditions"},
    {"stop.", "stopping."},
    {"output.top_logprobs", "response.output_candidates"},
    {"scheduling.cache_salt", "kv.cache_salt"},
    {"scheduling.priority", "openengine-priority"},
    {"constraint.grammar", "guided.ebnf_grammar"},
    {"constraint.", "guided."},
    {"constraint", "guided"},
    {"kv_transfer_params", "kv.session"},
    {"text", "prompt"},
};

const google::protobuf::Value* ExtraOf(const oe::GenerateRequest& message, const char* name) {
  const auto& fields = message.extra().fields();
  const auto found = fields.find(name);
  return found == fields.end() ? nullptr : &found->second;
}

absl::Status ReadSampling(const oe::SamplingParams& from, v1::SamplingParams* to) {
  if (from.num_sequences() > 1) return FieldError("sampling.num_sequences", "must be 0 or 1");
  if (from.top_k() < -1) return FieldError("sampling.top_k", "must be -1, 0 or above");
  if (from.has_temperature()) to->set_temperature(static_cast<float>(from.temperature()));
  if (from.has_top_p()) to->set_top_p(static_cast<float>(from.top_p()));
  if (from.top_k() > 0) to->set_top_k(static_cast<uint32_t>(from.top_k()));
  if (from.has_min_p()) to->set_min_p(static_cast<float>(from.min_p()));
  if (from.has_frequency_penalty()) {
    to->set_frequency_penalty(static_cast<float>(from.frequency_penalty()));
  }
  if (from.has_presence_penalty()) {
    to->set_presence_penalty(static_cast<float>(from.presence_penalty()));
  }
  if (from.has_repetition_penalty()) {
    to->set_repetition_penalty(static_cast<float>(from.repetition_penalty()));
  }
  if (from.has_seed()) to->set_seed(from.seed());
  return absl::OkStatus();
}

absl::Status ReadStopping(const oe::StoppingOptions& from, v1::StopConditions* to) {
  if (from.has_max_tokens()) to->set_max_tokens(from.max_tokens());
  if (from.has_min_tokens()) to->set_min_tokens(from.min_tokens());
  if (from.has_ignore_eos()) to->set_ignore_eos(from.ignore_eos());
  google::protobuf::RepeatedField<uint32_t> ids;
  for (const oe::StopCondition& condition : from.conditions()) {
    if (condition.has_stop_text()) to->add_strings(condition.stop_text());
    if (condition.has_stop_token_id()) ids.Add(condition.stop_token_id());
    if (condition.condition_case() == oe::StopCondition::CONDITION_NOT_SET) {
      return FieldError("stopping.conditions", "each must have stop_text or stop_token_id");
    }
  }
  return ReadIds("stopping.conditions", ids, to->mutable_token_ids());
}

void ReadGuide(const oe::GuidedDecoding& from, v1::GenerateRequest* to) {
  switch (from.guide_case()) {
    case oe::GuidedDecoding::kJsonSchema:
      return to->mutable_constraint()->set_json_schema(from.json_schema());
    case oe::GuidedDecoding::kRegex:
      return to->mutable_constraint()->set_regex(from.regex());
    case oe::GuidedDecoding::kEbnfGrammar:
      return to->mutable_constraint()->set_grammar(from.ebnf_grammar());
    case oe::GuidedDecoding::kJsonObject:
      return to->mutable_constraint()->set_json_object(true);
    case oe::GuidedDecoding::kChoice:
      *to->mutable_constraint()->mutable_choice()->mutable_texts() = from.choice().choices();
      return;
    default:
      return;
  }
}

// A prompt that another server goes on with, or one whose KV another one has.
absl::Status ReadKv(const oe::GenerateRequest& message, v1::GenerateRequest* to) {
  const google::protobuf::Value* type = ExtraOf(message, "request_type");
  if (type != nullptr && type->string_value() == "context_only") {
    if (message.kv().has_session()) {
      return FieldError("kv.session", "must be absent with extra.request_type context_only");
    }
    auto& fields = *to->mutable_kv_transfer_params()->mutable_fields();
    fields["do_remote_decode"].set_bool_value(true);
  }
  if (!message.kv().has_session()) return absl::OkStatus();
  if (message.kv().session().attributes_struct().fields().empty()) {
    return FieldError("kv.session.attributes_struct", "is missing: what PrefillReady had");
  }
  *to->mutable_kv_transfer_params() = message.kv().session().attributes_struct();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::GenerateRequest> ReadOpenEngineRequest(const oe::GenerateRequest& message,
                                                          const EngineFacts& facts) {
  WL_RETURN_IF_ERROR(RefuseFields(message, kNotInOpenEngine));
  v1::GenerateRequest read;
  read.set_request_id(message.request_id());
  if (message.model().empty()) return FieldError("model", "is missing");
  read.set_model(facts.Serves(message.model()) ? facts.model : message.model());
  if (message.has_prompt()) read.set_text(message.prompt());
  if (message.has_token_ids()) {
    WL_RETURN_IF_ERROR(ReadIds("token_ids.ids", message.token_ids().ids(),
                               read.mutable_token_ids()->mutable_ids()));
  }
  WL_RETURN_IF_ERROR(ReadSampling(message.sampling(), read.mutable_sampling()));
  WL_RETURN_IF_ERROR(ReadStopping(message.stopping(), read.mutable_stop()));
  ReadGuide(message.guided(), &read);
  if (message.response().return_output_logprobs()) {
    read.mutable_output()->set_top_logprobs(message.response().output_candidates().top_n());
  }
  read.mutable_scheduling()->set_cache_salt(message.kv().cache_salt());
  WL_RETURN_IF_ERROR(ReadKv(message, &read));
  return read;
}

absl::Status ReadOpenEngineMetadata(const std::string& priority, const std::string& rank,
                                    v1::GenerateRequest* request) {
  if (!rank.empty() && rank != "0") {
    return FieldError("openengine-target-dp-rank", "must be 0: there is one rank");
  }
  if (priority.empty()) return absl::OkStatus();
  int32_t value = 0;
  if (!absl::SimpleAtoi(priority, &value) || value == std::numeric_limits<int32_t>::min()) {
    return FieldError("openengine-priority",
                      "must be a whole number from -2147483647 to 2147483647");
  }
  request->mutable_scheduling()->set_priority(-value);  // here the smaller one goes first
  return absl::OkStatus();
}

absl::Status InOpenEngineNames(const absl::Status& status) {
  return InNames(kOpenEngineNames, status);
}

bool WantsText(const oe::GenerateRequest& message) {
  const google::protobuf::Value* wants = ExtraOf(message, "detokenize");
  return wants == nullptr || !wants->has_bool_value() || wants->bool_value();
}

}  // namespace waferline::engines
