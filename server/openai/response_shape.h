// What the client asked its answer to look like. Made by the codec with the ValidRequests, kept
// until the last byte of the answer. A plain value.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/request/token_sink.h"
#include "server/serving/kv_handoffs.h"
#include "server/text/answer_form.h"
#include "wafer_backend/api/prediction.h"
#include "wafer_backend/base/ids.h"

namespace waferline::openai {

struct ResponseShape : text::AnswerForm {
  enum class Kind : uint8_t { kCompletion, kChat };
  Kind kind = Kind::kCompletion;

  std::string id;  // "cmpl-..." or "chatcmpl-..."; the same in every chunk
  int64_t created_unix_seconds = 0;
  std::string model;
  bool computed = true;  // tokens come from real weights; false: from a stand-in

  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;  // in every chunk, of the tokens so far
  bool usage_at_finish = false;   // in the finishing chunk, unless include_usage asks for its own
  bool token_events = false;      // an event for each token that becomes visible
  bool echo = false;
  bool return_token_ids = false;
  bool instants = false;     // emulated instants of the tokens, an extension
  int32_t logprobs = -1;     // as SamplingSpec::top_logprobs
  std::string service_tier;  // as asked; "" if not asked

  // Choice i answers prompt i / n.
  int n = 1;
  struct Prompt {
    std::shared_ptr<const std::vector<TokenId>> tokens;
    std::string text;  // for echo
  };
  std::vector<Prompt> prompts;
  std::shared_ptr<const Prediction> prediction;  // what the client expects; none if null
  bool include_reasoning = true;                 // false: its text is left out
  std::vector<TokenId> end_ids;                  // tokens that end the text and are not part of it
  bool legacy_calls = false;                     // function_call instead of tool_calls
  // kv_transfer_params of an answer that ends for its length; empty: none.
  serving::KvParams handed_over;

  bool chat() const { return kind == Kind::kChat; }
  // Tokens must be kept one by one, not only their text.
  bool wants_details() const { return logprobs >= 0 || return_token_ids || instants; }
  size_t choices() const { return prompts.size() * n; }
  const Prompt& PromptOf(size_t choice) const { return prompts[choice / n]; }
};

// One generated token as the answer may show it.
struct TokenDetail {
  TokenId id = 0;
  bool of_prompt = false;   // echoed
  bool has_logprob = true;  // false: the first token of a prompt
  bool visible = true;      // false: an end token or part of a stop string: an id, no text
  float logprob = 0;
  std::vector<TokenLogprob> top;
  int64_t since_arrival_ns = 0;
};

// What became visible of a choice since the last look at it.
struct Delta {
  std::string text;
  std::vector<TokenDetail> tokens;  // empty unless the shape wants details
  std::string reasoning;
  bool empty() const { return text.empty() && tokens.empty() && reasoning.empty(); }
};

// How a choice ended.
struct ChoiceEnd {
  FinishReason reason = FinishReason::kStop;
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;
  uint32_t generated_tokens = 0;
  uint32_t reasoning_tokens = 0;  // of the generated ones
  uint32_t predicted_tokens = 0;  // of the generated ones: came as the client predicted
  std::string stop;               // the stop string that ended it; "" if none did
  RequestTimes times;
  std::optional<Nanoseconds> first_token;  // since arrival; none: no token came
  std::string usage_id;                    // of the first choice; "" if no record is kept
  std::string cost;  // of the first: of all choices, in dollars; "" if answers do not say it
};

// "stop", "length"; "abort" for what the client never sees as an answer.
const char* FinishReasonText(FinishReason reason);

}  // namespace waferline::openai
