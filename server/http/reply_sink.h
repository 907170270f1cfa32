// Where the engine puts the tokens of one choice, and where the io thread takes them from. Text is
// assembled on the engine's side, since a stop string must end the sequence before its next beat.
//
// Owner: shared by the engine (until the outcome) and the choice's generation. Thread: TokenSink's
// calls on the engine's (the end, perhaps, after them on the meter's), Take on the io thread.
// Bounds: a stream buffers kBufferedTokens tokens and then says kFull; Take makes room, and its
// caller resumes the sequence. A choice that is not streamed buffers what it may generate, which
// its request bounds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/openai/choice_text.h"
#include "server/openai/response_shape.h"
#include "server/serving/request_session.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::http {

inline constexpr uint32_t kBufferedTokens = 1024;

class ReplySink final : public serving::SessionSink {
 public:
  // What happened since the last Take.
  struct News {
    bool admitted = false;  // at any time so far
    std::optional<Refusal> refusal;
    std::vector<openai::TokenDetail> prompt;  // for echo
    std::vector<float> vector;                // the prompt's, if asked for
    openai::Delta delta;
    uint32_t tokens = 0;            // generated tokens that came
    uint32_t reasoning_tokens = 0;  // of the whole choice, once there is an outcome
    uint32_t predicted_tokens = 0;  // likewise
    std::string stop;               // the stop string that ended it, likewise
    // Of a stream with an event a token: what each made visible, in place of `delta`.
    std::vector<std::pair<openai::Delta, uint32_t>> events;
    std::optional<Nanoseconds> first_token;  // since arrival, of the first that came
    std::optional<ServiceTier> served;       // of the last token that came
    bool was_full = false;                   // the engine waits for Resume
    std::optional<Outcome> outcome;
    bool too_large = false;  // ended by kMaxGatheredAlternatives
  };

  // `notify` is called on the engine's thread when there is news and it was not called since the
  // last Take; it must not block.
  ReplySink(std::shared_ptr<const openai::ResponseShape> shape, size_t choice,
            std::shared_ptr<const model::Tokenizer> tokenizer, std::function<void()> notify);

  News Take();

  void OnAdmitted() override;
  void OnPromptLogprobs(const std::vector<TokenValue>& logprobs) override;
  void OnPromptVector(const std::vector<float>& vector) override;
  Verdict OnToken(const TokenEvent& token) override;

 private:
  void HandleRefusal(const Refusal& refusal) override;
  void HandleOutcome(const Outcome& outcome) override;
  // Makes an event of its own of what became visible since the last.
  void EndEvent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True once after each Take.
  bool NeedsNotify() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<const openai::ResponseShape> shape_;
  const size_t choice_;
  const std::function<void()> notify_;
  openai::ChoiceText text_;  // the thread of TokenSink's calls

  Mutex mutex_;
  News news_ ABSL_GUARDED_BY(mutex_);
  bool notified_ ABSL_GUARDED_BY(mutex_) = false;
  uint32_t tokens_of_event_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t gathered_ ABSL_GUARDED_BY(mutex_) = 0;  // alternatives
};

}  // namespace waferline::http
