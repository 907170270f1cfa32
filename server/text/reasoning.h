// Tells a model's reasoning from its answer by the marks that it writes around them.
//
// Two kinds of marks: "<think>" reasoning "</think>" answer, where the prompt may have opened the
// reasoning already; and channels (OpenAI's harmony format), "<|channel|>analysis<|message|>"
// reasoning "<|end|>" ... "<|channel|>final<|message|>" answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

enum class ReasoningMarks : uint8_t { kNone, kThink, kChannels };

// What a chat template writes, by its source.
ReasoningMarks ReasoningMarksOf(std::string_view chat_template);

// Control tokens that are marks: TextStream must show them, so that the splitter sees them.
std::vector<TokenId> MarkTokens(ReasoningMarks marks, const model::Tokenizer& tokenizer);

// Whether a prompt that ends like this has opened the reasoning. Looks at its last few tokens.
bool OpensReasoning(ReasoningMarks marks, const model::Tokenizer& tokenizer,
                    const std::vector<TokenId>& prompt);

// Splits the text of one answer. A value; one thread at a time.
//
// Laws: how the text is cut over Feed calls changes nothing in what all calls give together;
// nothing but marks, headers of channels and white space behind a mark is lost. "<think>" counts
// only before the answer has begun: later it is text. Held back at most: a mark's beginning, and
// white space at the answer's begin. Linear time.
class ReasoningSplitter {
 public:
  struct Parts {
    std::string reasoning;
    std::string answer;
  };

  // `with_calls`: a message to a function is part of the answer, with its header and marks.
  ReasoningSplitter(ReasoningMarks marks, bool opened, bool with_calls = false);

  Parts Feed(std::string_view text);
  // No more text will come: what was held back.
  Parts Finish();
  // Whether what comes next is reasoning, as far as is known.
  bool reasoning() const { return state_ == State::kReasoning; }

 private:
  enum class State : uint8_t {
    kBegin,  // white space so far: reasoning may still begin
    kReasoning,
    kAnswer,
    kHeader,   // of a channel
    kBetween,  // behind "<|end|>": nothing counts until the next mark
  };
  // What a mark leads to.
  enum class Step : uint8_t { kOpen, kClose, kHeader, kBody, kBetween };
  struct Mark {
    std::string_view text;
    Step step;
  };

  void AddText(std::string_view text, Parts* parts);
  bool Apply(Step step, Parts* parts);
  void Enter(State state);

  std::vector<Mark> marks_;  // each begins with '<' and holds no other one
  const bool with_calls_;
  State state_;
  bool skip_space_ = false;  // at the begin of a part, behind a mark
  std::string held_;         // the beginning of a mark
  std::string space_;        // of kBegin
  std::string header_;
};

}  // namespace waferline::text
