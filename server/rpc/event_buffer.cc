#include "server/rpc/event_buffer.h"

#include <utility>

namespace waferline::rpc {

void EventBuffer::Admit(v1::Admitted admitted) { admitted_ = std::move(admitted); }

void EventBuffer::PromptLogprobs(v1::PromptLogprobs logprobs) {
  prompt_logprobs_ = std::move(logprobs);
}

bool EventBuffer::Add(v1::Token token) {
  tokens_.push_back(std::move(token));
  return tokens_.size() < capacity_;
}

void EventBuffer::Finish(v1::Finished finished) { finished_ = std::move(finished); }

bool EventBuffer::Next(v1::GenerateResponse* message) {
  message->Clear();
  if (admitted_) {
    *message->mutable_admitted() = *std::exchange(admitted_, std::nullopt);
  } else if (prompt_logprobs_) {
    *message->mutable_prompt_logprobs() = *std::exchange(prompt_logprobs_, std::nullopt);
  } else if (!tokens_.empty()) {
    auto* tokens = message->mutable_tokens()->mutable_tokens();
    while (!tokens_.empty() && tokens->size() < static_cast<int>(kTokensPerMessage)) {
      *tokens->Add() = std::move(tokens_.front());
      tokens_.pop_front();
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
