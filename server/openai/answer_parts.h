// The answer of one choice as a list of typed parts, for protocols whose answers are lists of items
// or blocks: what the model reasoned, what it says, the tools it calls.
//
// A resource of one choice: one thread. Holds back what may begin a call (tool_call_reader.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/openai/response_shape.h"
#include "server/text/tool_call_reader.h"

namespace waferline::openai {

struct AnswerPart {
  enum Kind : uint8_t { kReasoning, kText, kCall, kArguments } kind;
  std::string text;  // of a call: the function's name
};

class AnswerParts {
 public:
  explicit AnswerParts(const ResponseShape& shape);

  // What became certain. Parts of one kind that follow each other are one item, but each call
  // begins one.
  std::vector<AnswerPart> Feed(const Delta& delta);
  // The text is over.
  std::vector<AnswerPart> Finish();
  // The last call was cut short: by a stop token, or by max_tokens.
  bool cut() const { return calls_ && calls_->calls() > 0 && !calls_->calls_are_whole(); }

 private:
  std::optional<text::ToolCallReader> calls_;  // if the request has tools
};

}  // namespace waferline::openai
