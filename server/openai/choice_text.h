// The tokens of one choice become what its client may see: text as TextStream releases it, and,
// where the shape wants details, the tokens whose text has been released.
//
// Laws: the bytes of the visible tokens together are the text, with reasoning and marks where a
// chat has them (and where the tokens are UTF-8; the last one may reach into a stop string); how
// tokens are grouped over deltas changes nothing; an end token and what belongs to a stop string
// are not visible, but their ids are there.
// Owner: the choice's sink. Thread: the engine's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/request/token_sink.h"
#include "server/openai/response_shape.h"
#include "server/text/text_stream.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::openai {

class ChoiceText {
 public:
  ChoiceText(std::shared_ptr<const ResponseShape> shape,
             std::shared_ptr<const model::Tokenizer> tokenizer);

  // Adds to `delta` what may be seen now. True: a stop string is complete, the choice ends here.
  bool Feed(const TokenEvent& token, Delta* delta);
  // No further token will come; adds the rest.
  void Finish(Delta* delta);
  // Tokens so far that came while reasoning was going on.
  uint32_t reasoning_tokens() const { return reasoning_tokens_; }
  // Tokens so far that came as the client predicted.
  uint32_t predicted_tokens() const { return predicted_ ? predicted_->accepted() : 0; }
  // The stop string that ended the text; "" if none did.
  const std::string& stop() const { return stop_; }

 private:
  struct Held {
    TokenDetail detail;
    int64_t begins;  // where its text begins, in characters
  };
  void Hold(const TokenEvent& token, bool is_end);
  void Show(const std::string& text, Delta* delta);
  void Add(text::ReasoningSplitter::Parts parts, Delta* delta) const;
  void Release(Delta* delta, bool all);

  const std::shared_ptr<const ResponseShape> shape_;
  const std::shared_ptr<const model::Tokenizer> tokenizer_;
  text::TextStream stream_;
  text::ReasoningSplitter splitter_;
  uint32_t reasoning_tokens_ = 0;
  std::optional<PredictionCursor> predicted_;
  std::string stop_;
  std::vector<Held> held_;  // bounded by the longest stop string, in tokens
  int64_t shown_characters_ = 0;
};

// The prompt as echo shows it with log-probabilities: `values` are those of tokens 1 and on.
std::vector<TokenDetail> PromptDetails(const ResponseShape::Prompt& prompt,
                                       const std::vector<TokenValue>& values);

}  // namespace waferline::openai
