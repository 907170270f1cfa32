// How the text of one answer is read: what ends it, how it marks reasoning and calls of tools. A
// plain value; pure functions, any thread.
#pragma once

#include <optional>
#include <vector>

#include "server/text/chat_template.h"
#include "server/text/reasoning.h"
#include "server/text/text_stream.h"
#include "wafer_backend/compute/grammar/compiler.h"
#include "wafer_backend/compute/grammar/tool_calls.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

struct AnswerForm {
  TextStreamOptions text;  // stop strings and what is shown
  ReasoningMarks reasoning = ReasoningMarks::kNone;
  bool reasoning_opened = false;  // by the prompt
  // How calls of tools are written; none if there are no tools.
  std::optional<grammar::ToolCallForm> calls;
  bool calls_forced = false;  // there is no text without a call
};

// The answer is the reply to a chat that became `prompt`.
void ReadAsReply(const ChatTemplate& chat, const model::Tokenizer& tokenizer,
                 const std::vector<TokenId>& prompt, AnswerForm* form);

// The answer is held to `spec`, so that nothing precedes it but what that allows.
void HoldTo(const grammar::GrammarSpec& spec, AnswerForm* form);

}  // namespace waferline::text
