// How an answer looks to its client: events of a stream, or one document. What generates and paces
// an answer knows nothing else of the protocol that asked for it.
//
// Owner: what writes the answer; not thread-safe. A stream is AppendStart, for each choice its
// AppendPrompt (echo), AppendDeltas and AppendFinish, then AppendEnd; or it breaks off by
// AppendFailure. A document is one call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/openai/response_shape.h"

namespace waferline::openai {

// Sums of an answer's choices. A prompt that several choices share counts once.
struct Usage {
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t completion_tokens = 0;
  std::optional<uint64_t> reasoning_tokens;  // where the model marks its reasoning
  // Where the client predicted the answer: tokens of it that came, and that did not.
  std::optional<uint64_t> accepted_prediction, rejected_prediction;
  RequestTimes times;                      // of the choice that took longest
  std::optional<Nanoseconds> first_token;  // its, since arrival
  std::string id;                          // of the first choice's usage record; "": none is kept
  std::string cost;                        // in dollars; "": not said
};
Usage SumUsage(const ResponseShape& shape, const std::vector<ChoiceEnd>& ends);

// Whole choices, for the answer that is not a stream.
struct ChoiceResult {
  std::vector<TokenDetail> prompt;  // for echo with logprobs
  std::vector<float> vector;        // the prompt's, for embeddings
  Delta generated;
  ChoiceEnd end;
};

class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;

  // Events, appended to `out`. The first comes when every choice is admitted.
  virtual void AppendStart(std::string& out) = 0;
  virtual void AppendPrompt(std::string& out, size_t choice,
                            const std::vector<TokenDetail>& prompt) = 0;
  // Which tier serves the answer, in what is written from now on.
  virtual void SetServed(ServiceTier served) = 0;
  virtual void AppendDelta(std::string& out, size_t choice, const Delta& delta) = 0;
  // So many more tokens are in the events that follow.
  virtual void CountTokens(uint32_t tokens) = 0;
  virtual void AppendFinish(std::string& out, size_t choice, const ChoiceEnd& end,
                            const Usage* usage_of_the_last) = 0;
  virtual void AppendEnd(std::string& out, const Usage& usage) = 0;
  // A failure after the headers went out; nothing follows.
  virtual void AppendFailure(std::string& out, const absl::Status& status) = 0;

  // One document; `results` has one entry a choice.
  virtual std::string Document(const std::vector<ChoiceResult>& results) = 0;
};

// Makes the format of one answer; `shape` must outlive it.
using AnswerFormatFactory = std::function<std::unique_ptr<AnswerFormat>(const ResponseShape&)>;

}  // namespace waferline::openai
