#include "server/openai/unread_fields.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

constexpr size_t kMaxListed = 16;
constexpr size_t kMaxNameBytes = 64;

// Names that users mean when they miss a letter; a test sends each and sees it read.
constexpr std::array<std::string_view, 38> kOften = {"model",
                                                     "messages",
                                                     "prompt",
                                                     "max_tokens",
                                                     "max_completion_tokens",
                                                     "max_output_tokens",
                                                     "min_tokens",
                                                     "temperature",
                                                     "top_p",
                                                     "top_k",
                                                     "min_p",
                                                     "seed",
                                                     "stop",
                                                     "stream",
                                                     "stream_options",
                                                     "logprobs",
                                                     "top_logprobs",
                                                     "logit_bias",
                                                     "frequency_penalty",
                                                     "presence_penalty",
                                                     "repetition_penalty",
                                                     "ignore_eos",
                                                     "stop_token_ids",
                                                     "response_format",
                                                     "tools",
                                                     "tool_choice",
                                                     "service_tier",
                                                     "priority",
                                                     "cache_salt",
                                                     "echo",
                                                     "best_of",
                                                     "return_token_ids",
                                                     "chat_template_kwargs",
                                                     "include_stop_str_in_output",
                                                     "skip_special_tokens",
                                                     "reasoning_effort",
                                                     "user",
                                                     "waferline"};

// Fields of OpenAI, vLLM and llama.cpp that have no effect here, with what they hold: who sends
// something else means something else.
struct Typed {
  std::string_view name;
  std::string_view kind;  // as KindOf says it
};
constexpr Typed kTyped[] = {
    {"metadata", "an object"},
    {"safety_identifier", "a string"},
    {"prompt_cache_key", "a string"},
    {"prompt_cache_retention", "a string"},
    {"mm_processor_kwargs", "an object"},
    {"request_id", "a string"},
    {"spaces_between_special_tokens", "a boolean"},
    {"early_stopping", "a boolean"},
    {"length_penalty", "a number"},
    {"cache_prompt", "a boolean"},
    {"timings_per_token", "a boolean"},
    {"post_sampling_probs", "a boolean"},
    {"penalize_nl", "a boolean"},
    {"id_slot", "a number"},
    {"n_keep", "a number"},
    {"repeat_last_n", "a number"},
    {"min_keep", "a number"},
    {"mirostat_tau", "a number"},
    {"mirostat_eta", "a number"},
};

absl::Status CheckType(const Fields& fields, std::string_view name) {
  const auto* typed = std::find_if(std::begin(kTyped), std::end(kTyped),
                                   [name](const Typed& one) { return one.name == name; });
  const boost::json::value* value = fields.Find(name);
  if (typed == std::end(kTyped) || value == nullptr || KindOf(*value) == typed->kind) {
    return absl::OkStatus();
  }
  return FieldError(name, absl::StrCat("'", Absl(name), "' must be ", Absl(typed->kind), ", it is ",
                                       Absl(KindOf(*value))));
}

// A name that only contains another one is a field of its own ("format", "reasoning").
std::string_view Misspelled(std::string_view name, std::span<const std::string_view> known) {
  const std::string_view nearest = NearestName(name, known);
  const size_t longer = std::max(name.size(), nearest.size());
  return longer - std::min(name.size(), nearest.size()) <= 2 ? nearest : std::string_view();
}

// As much of it as a header or a message may hold.
std::string Shown(std::string_view name) {
  std::string shown(name.substr(0, kMaxNameBytes));
  for (char& c : shown) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) || c == ',') c = '?';
  }
  return shown;
}

absl::Status Refused(std::string_view name, std::string_view meant) {
  std::string message = absl::StrCat("'", Shown(name), "' is not known here");
  if (!meant.empty()) absl::StrAppend(&message, "; did you mean '", Absl(meant), "'?");
  return WithCode(FieldError(Shown(name), message), "unknown_parameter");
}

}  // namespace

absl::Status CheckUnread(const Fields& fields, const UnreadRules& rules, std::string* warning) {
  const std::vector<std::string_view> unread = fields.Unread();
  std::vector<std::string_view> known(rules.own_fields.begin(), rules.own_fields.end());
  known.insert(known.end(), kOften.begin(), kOften.end());
  for (const std::string_view name : unread) {
    std::string_view meant = Misspelled(name, known);
    if (meant == name) meant = {};  // a field of another route, spelled right
    if (!meant.empty() || rules.dialect.refuse_unknown_fields) return Refused(name, meant);
    WL_RETURN_IF_ERROR(CheckType(fields, name));
  }
  for (size_t i = 0; i < std::min(unread.size(), kMaxListed); ++i) {
    absl::StrAppend(warning, i == 0 ? "fields without effect: " : ", ", Shown(unread[i]));
  }
  if (unread.size() > kMaxListed) {
    absl::StrAppend(warning, " and ", unread.size() - kMaxListed, " more");
  }
  return absl::OkStatus();
}

}  // namespace waferline::openai
