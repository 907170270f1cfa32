#include "server/openai/answer_writer.h"

#include <algorithm>
#include <utility>

#include "server/openai/answer_facts.h"
#include "server/openai/answer_head.h"
#include "server/openai/api_error.h"
#include "server/openai/json_text.h"
#include "server/openai/kv_leg_fields.h"
#include "server/openai/logprobs.h"
#include "server/openai/tool_parts.h"
#include "wafer_backend/base/check.h"

namespace waferline::openai {

AnswerWriter::AnswerWriter(const ResponseShape& shape, const model::Tokenizer& tokenizer)
    : shape_(shape),
      tokenizer_(tokenizer),
      served_(ServedAsAsked(shape)),
      head_(AnswerHead(shape, served_)),
      choices_(shape.choices()) {
  if (!shape.calls) return;
  for (ChoiceState& choice : choices_) choice.calls.emplace(*shape.calls, shape.calls_forced);
}

void AnswerWriter::SetServed(ServiceTier served) {
  if (served == std::exchange(served_, served)) return;
  head_ = AnswerHead(shape_, served);
}

// data: {head,"choices":[{"index":i
void AnswerWriter::Open(std::string& out, size_t choice) {
  out += "data: ";
  out += head_;
  out += ",\"choices\":[{\"index\":";
  AppendInteger(out, choice);
}

// ...}] and, where usage will come later, "usage":null; where it is continuous, that so far
void AnswerWriter::Close(std::string& out) const {
  if (shape_.continuous_usage) {
    uint64_t prompt_tokens = 0;
    for (const ResponseShape::Prompt& prompt : shape_.prompts)
      prompt_tokens += prompt.tokens->size();
    out += ",\"usage\":{\"prompt_tokens\":";
    AppendInteger(out, prompt_tokens);
    out += ",\"completion_tokens\":";
    AppendInteger(out, tokens_so_far_);
    out += ",\"total_tokens\":";
    AppendInteger(out, prompt_tokens + tokens_so_far_);
    out += '}';
  } else if (shape_.include_usage) {
    out += ",\"usage\":null";
  }
  out += "}\n\n";
}

void AnswerWriter::AppendRole(std::string& out, size_t choice) {
  Open(out, choice);
  out +=
      ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
      "\"finish_reason\":null}]";
  if (shape_.return_token_ids) {
    out += ",\"prompt_token_ids\":";
    AppendIntegers(out, *shape_.PromptOf(choice).tokens);
  }
  Close(out);
}

void AnswerWriter::AppendPrompt(std::string& out, size_t choice,
                                const std::vector<TokenDetail>& prompt) {
  AppendDelta(out, choice, {shape_.PromptOf(choice).text, prompt});
}

void AnswerWriter::AppendDelta(std::string& out, size_t choice, const Delta& delta) {
  ChoiceState& state = choices_[choice];
  const bool first = !std::exchange(state.started, true);
  if (first && shape_.chat()) AppendRole(out, choice);
  if (state.calls && delta.reasoning.empty()) {
    return AppendParts(out, choice, state.calls->Feed(delta.text), delta.tokens);
  }
  if (state.calls && !delta.text.empty()) {
    AppendDelta(out, choice, {.reasoning = delta.reasoning});
    return AppendParts(out, choice, state.calls->Feed(delta.text), delta.tokens);
  }
  Open(out, choice);
  if (shape_.chat()) {
    out += ",\"delta\":{";
    if (!delta.reasoning.empty()) {
      out += "\"reasoning_content\":";
      AppendQuoted(out, delta.reasoning);
    }
    if (delta.reasoning.empty() || !delta.text.empty()) {
      out += delta.reasoning.empty() ? "\"content\":" : ",\"content\":";
      AppendQuoted(out, delta.text);
    }
    out += '}';
  } else {
    out += ",\"text\":";
    AppendQuoted(out, delta.text);
  }
  AppendDetails(out, choice, delta.tokens, first);
}

void AnswerWriter::AppendDetails(std::string& out, size_t choice,
                                 const std::vector<TokenDetail>& tokens, bool first) {
  AppendTokens(out, choice, tokens);
  if (shape_.return_token_ids) AppendTokenIds(out, choice, tokens, first);
  out += ",\"finish_reason\":null}]";
  if (shape_.instants) {
    out += ",\"waferline\":{";
    AppendInstants(out, tokens);
    out += '}';
  }
  Close(out);
}

// A chunk a part; what is said of the tokens goes with the first, or has a chunk of its own.
void AnswerWriter::AppendParts(std::string& out, size_t choice,
                               const std::vector<text::ToolCallReader::Part>& parts,
                               const std::vector<TokenDetail>& tokens) {
  int call = choices_[choice].calls->calls() - 1;
  for (const auto& part : parts) call -= part.kind == text::ToolCallReader::Part::kCall ? 1 : 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    call += parts[i].kind == text::ToolCallReader::Part::kCall ? 1 : 0;
    Open(out, choice);
    AppendPart(out, shape_, {choice, call}, parts[i]);
    AppendDetails(out, choice, i == 0 ? tokens : std::vector<TokenDetail>(), false);
  }
  if (!parts.empty() || tokens.empty()) return;
  Open(out, choice);
  out += ",\"delta\":{}";
  AppendDetails(out, choice, tokens, false);
}

void AnswerWriter::AppendTokens(std::string& out, size_t choice,
                                const std::vector<TokenDetail>& tokens) {
  out += ",\"logprobs\":";
  if (shape_.logprobs < 0) {
    out += "null";
  } else if (shape_.chat()) {
    AppendChatLogprobs(out, tokenizer_, tokens);
  } else {
    int64_t& offset = choices_[choice].text_offset;
    offset = AppendCompletionLogprobs(out, tokenizer_, tokens, offset);
  }
}

// Ids of generated tokens; the prompt's own come once, beside them.
void AnswerWriter::AppendTokenIds(std::string& out, size_t choice,
                                  const std::vector<TokenDetail>& tokens, bool first) {
  if (first && !shape_.chat()) {
    out += ",\"prompt_token_ids\":";
    AppendIntegers(out, *shape_.PromptOf(choice).tokens);
  }
  out += ",\"token_ids\":[";
  bool any = false;
  for (const TokenDetail& token : tokens) {
    if (token.of_prompt) continue;
    if (std::exchange(any, true)) out += ',';
    AppendInteger(out, token.id);
  }
  out += ']';
}

void AnswerWriter::AppendInstants(std::string& out, const std::vector<TokenDetail>& tokens) const {
  out += "\"instants_ns\":[";
  bool any = false;
  for (const TokenDetail& token : tokens) {
    if (token.of_prompt) continue;
    if (std::exchange(any, true)) out += ',';
    AppendInteger(out, token.since_arrival_ns);
  }
  out += ']';
}

void AnswerWriter::AppendFinish(std::string& out, size_t choice, const ChoiceEnd& end,
                                const Usage* usage_of_the_last) {
  if (shape_.chat() && !std::exchange(choices_[choice].started, true)) AppendRole(out, choice);
  auto& calls = choices_[choice].calls;
  if (calls) AppendParts(out, choice, calls->Finish(), {});
  Open(out, choice);
  out += shape_.chat() ? ",\"delta\":{}" : ",\"text\":\"\"";
  out += ",\"logprobs\":null,\"finish_reason\":\"";
  out += CallFinishReason(shape_, end.reason, calls && calls->calls_are_whole());
  out += "\"}]";
  if (usage_of_the_last != nullptr) {
    AppendTimeInfo(out, shape_, *usage_of_the_last);
    AppendOrigin(out, shape_);
  }
  const bool has_usage = usage_of_the_last != nullptr && shape_.usage_at_finish &&
                         !shape_.include_usage && !shape_.continuous_usage;
  if (!has_usage) return Close(out);
  out += ",\"usage\":";
  AppendUsageObject(out, *usage_of_the_last);
  out += "}\n\n";
}

void AnswerWriter::AppendEnd(std::string& out, const Usage& usage) {
  if (shape_.include_usage) AppendUsage(out, usage);
  out += kDoneEvent;
}

void AnswerWriter::AppendUsage(std::string& out, const Usage& usage) {
  out += "data: ";
  out += head_;
  out += ",\"choices\":[],\"usage\":";
  AppendUsageObject(out, usage);
  AppendTimeInfo(out, shape_, usage);
  AppendOrigin(out, shape_);
  out += "}\n\n";
}

void AnswerWriter::AppendFailure(std::string& out, const absl::Status& status) {
  out += "data: ";
  out += ErrorBody(status);
  out += "\n\n";
  out += kDoneEvent;
}

void AnswerWriter::AppendChoice(std::string& out, size_t choice, const ChoiceResult& result) {
  std::vector<TokenDetail> tokens = result.prompt;
  tokens.insert(tokens.end(), result.generated.tokens.begin(), result.generated.tokens.end());
  std::string text = shape_.echo ? shape_.PromptOf(choice).text : "";
  text += result.generated.text;

  out += "{\"index\":";
  AppendInteger(out, choice);
  bool whole_calls = false;
  if (shape_.calls) {
    whole_calls = AppendCallMessage(out, shape_, choice, result.generated);
  } else {
    out += shape_.chat() ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"text\":";
    AppendQuoted(out, text);
    if (!result.generated.reasoning.empty()) {
      out += ",\"reasoning_content\":";
      AppendQuoted(out, result.generated.reasoning);
    }
    if (shape_.chat()) out += ",\"refusal\":null}";
  }
  AppendTokens(out, choice, tokens);
  if (shape_.return_token_ids) AppendTokenIds(out, choice, tokens, true);
  out += ",\"finish_reason\":\"";
  out += CallFinishReason(shape_, result.end.reason, whole_calls);
  out += '"';
  if (shape_.instants) {
    out += ",\"waferline\":{";
    AppendInstants(out, tokens);
    out += '}';
  }
  out += '}';
}

std::string AnswerWriter::Document(const std::vector<ChoiceResult>& results) {
  WL_CHECK(results.size() == shape_.choices());
  std::string out = head_;
  out += ",\"choices\":[";
  std::vector<ChoiceEnd> ends;
  for (size_t i = 0; i < results.size(); ++i) {
    if (i > 0) out += ',';
    AppendChoice(out, i, results[i]);
    ends.push_back(results[i].end);
  }
  out += ']';
  if (shape_.chat() && shape_.return_token_ids) {
    out += ",\"prompt_token_ids\":";
    AppendIntegers(out, *shape_.PromptOf(0).tokens);
  }
  const Usage usage = SumUsage(shape_, ends);
  out += ",\"usage\":";
  AppendUsageObject(out, usage);
  AppendTimeInfo(out, shape_, usage);
  AppendOrigin(out, shape_);
  if (!shape_.handed_over.empty() && ends.front().reason == FinishReason::kLength) {
    out += ",\"kv_transfer_params\":";
    AppendKvParams(out, shape_.handed_over);
  }
  out += '}';
  return out;
}

}  // namespace waferline::openai
