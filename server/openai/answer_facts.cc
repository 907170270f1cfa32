#include "server/openai/answer_facts.h"

#include <utility>

#include "server/openai/json_text.h"

namespace waferline::openai {
namespace {

// Nanoseconds are whole, so the shortest text of the nearest number is the time itself.
void AppendSeconds(std::string& out, Nanoseconds time) {
  AppendNumber(out, static_cast<double>(time.count()) / 1e9);
}

}  // namespace

void AppendTimeInfo(std::string& out, const ResponseShape& shape, const Usage& usage) {
  const RequestTimes& times = usage.times;
  out += ",\"time_info\":{\"queue_time\":";
  AppendSeconds(out, times.queue);
  out += ",\"prompt_time\":";  // until the decode shards hold the prompt
  AppendSeconds(out, times.prefill + times.transfer);
  out += ",\"completion_time\":";
  AppendSeconds(out, times.decode);
  out += ",\"total_time\":";
  AppendSeconds(out, times.total());
  if (usage.first_token) {
    out += ",\"first_token_time\":";
    AppendSeconds(out, *usage.first_token);
  }
  out += ",\"created\":";
  AppendInteger(out, shape.created_unix_seconds);
  out += '}';
}

void AppendOrigin(std::string& out, const ResponseShape& shape) {
  out += ",\"waferline\":{\"time\":\"emulated\",\"tokens\":\"";
  out += shape.computed ? "computed" : "stand-in";
  out += "\"}";
}

void AppendRecord(std::string& out, const Usage& usage) {
  if (!usage.id.empty()) {
    out += ",\"usage_id\":";
    AppendQuoted(out, usage.id);
  }
  if (!usage.cost.empty()) {
    out += ",\"cost\":";
    AppendQuoted(out, usage.cost);
  }
}

namespace {

void AppendCompletionDetails(std::string& out, const Usage& usage) {
  const std::pair<const char*, const std::optional<uint64_t>&> details[] = {
      {"reasoning_tokens", usage.reasoning_tokens},
      {"accepted_prediction_tokens", usage.accepted_prediction},
      {"rejected_prediction_tokens", usage.rejected_prediction}};
  const char* before = ",\"completion_tokens_details\":{\"";
  bool any = false;
  for (const auto& [name, count] : details) {
    if (!count) continue;
    out += std::exchange(before, ",\"");
    out += name;
    out += "\":";
    AppendInteger(out, *count);
    any = true;
  }
  if (any) out += '}';
}

}  // namespace

void AppendUsageObject(std::string& out, const Usage& usage) {
  out += "{\"prompt_tokens\":";
  AppendInteger(out, usage.prompt_tokens);
  out += ",\"completion_tokens\":";
  AppendInteger(out, usage.completion_tokens);
  out += ",\"total_tokens\":";
  AppendInteger(out, usage.prompt_tokens + usage.completion_tokens);
  out += ",\"prompt_tokens_details\":{\"cached_tokens\":";
  AppendInteger(out, usage.cached_tokens);
  out += '}';
  AppendCompletionDetails(out, usage);
  AppendRecord(out, usage);
  out += '}';
}

const char* FinishReasonText(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    default:
      return "abort";
  }
}

Usage SumUsage(const ResponseShape& shape, const std::vector<ChoiceEnd>& ends) {
  Usage usage;
  if (!ends.empty()) {
    usage.id = ends.front().usage_id;
    usage.cost = ends.front().cost;
  }
  if (shape.reasoning != text::ReasoningMarks::kNone) usage.reasoning_tokens = 0;
  if (shape.prediction != nullptr) usage.accepted_prediction = usage.rejected_prediction = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (shape.prediction != nullptr) {
      *usage.accepted_prediction += ends[i].predicted_tokens;
      *usage.rejected_prediction += shape.prediction->tokens().size() - ends[i].predicted_tokens;
    }
    if (usage.reasoning_tokens) *usage.reasoning_tokens += ends[i].reasoning_tokens;
    usage.completion_tokens += ends[i].generated_tokens;
    if (i % shape.n == 0) {
      usage.prompt_tokens += ends[i].prompt_tokens;
      usage.cached_tokens += ends[i].cached_tokens;
    }
    if (i == 0 || ends[i].times.total() > usage.times.total()) {
      usage.times = ends[i].times;
      usage.first_token = ends[i].first_token;
    }
  }
  return usage;
}

}  // namespace waferline::openai
