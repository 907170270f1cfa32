#include "server/anthropic/message_format.h"

#include <algorithm>
#include <utility>

#include "server/anthropic/tool_input.h"
#include "server/openai/answer_facts.h"
#include "server/openai/api_error.h"
#include "server/openai/json_text.h"
#include "server/openai/tool_parts.h"
#include "wafer_backend/base/check.h"

namespace waferline::anthropic {
namespace {

using openai::AnswerPart;
using openai::AppendInteger;
using openai::AppendQuoted;
using openai::Usage;

// event: TYPE, and the data's "type"; to be closed by Close.
void Open(std::string& out, std::string_view type) {
  out += "event: ";
  out += type;
  out += "\ndata: {\"type\":";
  AppendQuoted(out, type);
}

void Close(std::string& out) { out += "}\n\n"; }

}  // namespace

MessageFormat::MessageFormat(std::vector<std::string> stop_sequences,
                             const openai::ResponseShape& shape)
    : stop_sequences_(std::move(stop_sequences)), shape_(shape), parts_(shape) {
  WL_CHECK(shape.choices() == 1);
}

void MessageFormat::AppendStart(std::string& out) {
  Open(out, "message_start");
  out += ",\"message\":";
  AppendHead(out);
  out += ",\"content\":[],";
  AppendStop(out);
  AppendUsage(out, {.prompt_tokens = shape_.PromptOf(0).tokens->size()});
  out += '}';
  Close(out);
  Open(out, "ping");
  Close(out);
}

void MessageFormat::AppendDelta(std::string& out, size_t, const openai::Delta& delta) {
  for (AnswerPart& part : parts_.Feed(delta)) Take(out, std::move(part));
}

void MessageFormat::Take(std::string& out, AnswerPart part) {
  if (part.kind == AnswerPart::kArguments) return AppendText(out, part.text);
  if (part.kind == AnswerPart::kCall) {
    return Begin(out, {.kind = Block::Kind::kToolUse,
                       .text = "",
                       .name = std::move(part.text),
                       .id = openai::CallId(shape_, 0, uses_++)});
  }
  const Block::Kind kind =
      part.kind == AnswerPart::kText ? Block::Kind::kText : Block::Kind::kThinking;
  if (blocks_.empty() || blocks_.back().kind != kind) Begin(out, {.kind = kind});
  AppendText(out, part.text);
}

void MessageFormat::Begin(std::string& out, Block block) {
  EndBlock(out);
  blocks_.push_back(std::move(block));
  OpenOfBlock(out, "content_block_start");
  out += ",\"content_block\":";
  AppendBlock(out, blocks_.back(), false);
  Close(out);
}

void MessageFormat::AppendText(std::string& out, std::string_view text) {
  blocks_.back().text += text;
  OpenOfBlock(out, "content_block_delta");
  switch (blocks_.back().kind) {
    case Block::Kind::kThinking:
      out += ",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":";
      break;
    case Block::Kind::kText:
      out += ",\"delta\":{\"type\":\"text_delta\",\"text\":";
      break;
    case Block::Kind::kToolUse:
      out += ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":";
      break;
  }
  AppendQuoted(out, text);
  out += '}';
  Close(out);
}

void MessageFormat::EndBlock(std::string& out) const {
  if (blocks_.empty()) return;
  OpenOfBlock(out, "content_block_stop");
  Close(out);
}

void MessageFormat::AppendFinish(std::string& out, size_t, const openai::ChoiceEnd& end,
                                 const Usage*) {
  for (AnswerPart& part : parts_.Finish()) Take(out, std::move(part));
  EndBlock(out);
  const bool stopped =
      std::find(stop_sequences_.begin(), stop_sequences_.end(), end.stop) != stop_sequences_.end();
  if (end.reason == FinishReason::kLength) {
    stop_reason_ = "max_tokens";
  } else if (stopped) {
    stop_reason_ = "stop_sequence";
    stop_sequence_ = end.stop;
  } else {
    stop_reason_ = uses_ > 0 && !parts_.cut() ? "tool_use" : "end_turn";
  }
}

void MessageFormat::AppendEnd(std::string& out, const Usage& usage) {
  Open(out, "message_delta");
  out += ",\"delta\":{";
  AppendStop(out);
  out += '}';
  AppendUsage(out, usage);
  openai::AppendTimeInfo(out, shape_, usage);
  Close(out);
  Open(out, "message_stop");
  Close(out);
}

void MessageFormat::AppendFailure(std::string& out, const absl::Status& status) {
  out += "event: error\ndata: ";
  out += openai::ErrorBody(status, openai::ErrorShape::kAnthropic);
  out += "\n\n";
}

std::string MessageFormat::Document(const std::vector<openai::ChoiceResult>& results) {
  WL_CHECK(results.size() == 1);
  std::string events;  // of which only the blocks that they build are needed
  AppendDelta(events, 0, results[0].generated);
  AppendFinish(events, 0, results[0].end, nullptr);
  std::string out;
  AppendHead(out);
  out += ",\"content\":[";
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (i > 0) out += ',';
    AppendBlock(out, blocks_[i], true);
  }
  out += "],";
  AppendStop(out);
  const Usage usage = openai::SumUsage(shape_, {results[0].end});
  AppendUsage(out, usage);
  openai::AppendTimeInfo(out, shape_, usage);
  return out + '}';
}

void MessageFormat::OpenOfBlock(std::string& out, std::string_view type) const {
  Open(out, type);
  out += ",\"index\":";
  AppendInteger(out, blocks_.size() - 1);
}

void MessageFormat::AppendBlock(std::string& out, const Block& block, bool with_content) {
  const std::string_view text = with_content ? block.text : std::string_view();
  switch (block.kind) {
    case Block::Kind::kThinking:
      out += "{\"type\":\"thinking\",\"signature\":\"\",\"thinking\":";
      AppendQuoted(out, text);
      break;
    case Block::Kind::kText:
      out += "{\"type\":\"text\",\"text\":";
      AppendQuoted(out, text);
      break;
    case Block::Kind::kToolUse:
      out += "{\"type\":\"tool_use\",\"id\":";
      AppendQuoted(out, block.id);
      out += ",\"name\":";
      AppendQuoted(out, block.name);
      out += ",\"input\":";
      out += ToolInput(text);
      break;
  }
  out += '}';
}

void MessageFormat::AppendStop(std::string& out) const {
  out += "\"stop_reason\":";
  if (stop_reason_ == nullptr) {
    out += "null";
  } else {
    AppendQuoted(out, stop_reason_);
  }
  out += ",\"stop_sequence\":";
  if (stop_sequence_.empty()) {
    out += "null";
  } else {
    AppendQuoted(out, stop_sequence_);
  }
}

// Tokens that came from a cache are not input tokens in this protocol.
void MessageFormat::AppendUsage(std::string& out, const Usage& usage) const {
  out += ",\"usage\":{\"input_tokens\":";
  AppendInteger(out, usage.prompt_tokens - usage.cached_tokens);
  out += ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":";
  AppendInteger(out, usage.cached_tokens);
  out += ",\"output_tokens\":";
  AppendInteger(out, usage.completion_tokens);
  out += ",\"service_tier\":";
  AppendQuoted(out, served_ == ServiceTier::kPriority ? "priority" : "standard");
  openai::AppendRecord(out, usage);
  out += '}';
}

void MessageFormat::AppendHead(std::string& out) const {
  out += "{\"id\":";
  AppendQuoted(out, shape_.id);
  out += ",\"type\":\"message\",\"role\":\"assistant\",\"model\":";
  AppendQuoted(out, shape_.model);
  openai::AppendOrigin(out, shape_);
}

}  // namespace waferline::anthropic
