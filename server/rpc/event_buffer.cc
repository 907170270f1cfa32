#include "server/rpc/event_buffer.h"

#include <utility>

namespace waferline::rpc {

void EventBuffer::Admit(v1::Admitted admitted) { admitted_ = std::move(admitted); }

void EventBuffer::PromptLogprobs(v1::PromptLogprobs logprobs) {
  prompt_logprobs_ = std::move(logprobs);
}

void EventBuffer::Finish(v1::Finished finished) { finished_ = std::move(finished); }

bool EventBuffer::Next(v1::GenerateResponse* message) {
  if (admitted_) {
    *message->mutable_admitted() = *std::exchange(admitted_, std::nullopt);
  } else if (prompt_logprobs_) {
    *message->mutable_prompt_logprobs() = *std::exchange(prompt_logprobs_, std::nullopt);
  } else if (!tokens_.empty()) {
    auto* tokens = message->mutable_tokens()->mutable_tokens();
    tokens->Clear();
    constexpr int kMaxTokens = static_cast<int>(kTokensPerMessage);
    if (tokens_.size() <= kMaxTokens) {
      tokens->Swap(&tokens_);
    } else {
      for (int i = 0; i < kMaxTokens; ++i) tokens->Add()->Swap(tokens_.Mutable(i));
      tokens_.DeleteSubrange(0, kMaxTokens);
    }
  } else if (finished_) {
    *message->mutable_finished() = *std::exchange(finished_, std::nullopt);
  } else {
    return false;
  }
  return true;
}

bool EventBuffer::empty() const {
  return !admitted_ && !prompt_logprobs_ && tokens_.empty() && !finished_;
}

}  // namespace waferline::rpc
