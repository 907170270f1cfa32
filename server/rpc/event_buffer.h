// What one stream still has to say to its client: events go in as the engine makes them, messages
// come out as the transport takes them. Tokens that wait together leave together.
//
// Owner and lock: one stream. No I/O. Bound: `capacity` tokens, after which Add says so; the engine
// then holds back, apart from the tokens that were already on their way.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "proto/waferline/v1/inference.pb.h"

namespace waferline::rpc {

class EventBuffer {
 public:
  // Tokens in one message at most, so that a message with 20 log-probabilities a token stays well
  // under gRPC's 4 MiB.
  static constexpr size_t kTokensPerMessage = 256;

  explicit EventBuffer(size_t capacity) : capacity_(capacity) {}

  void Admit(v1::Admitted admitted);
  void PromptLogprobs(v1::PromptLogprobs logprobs);
  // False: the buffer is full now (the token is kept all the same).
  bool Add(v1::Token token);
  // The last event.
  void Finish(v1::Finished finished);

  // Moves what comes next into `message`; false if there is nothing now.
  bool Next(v1::GenerateResponse* message);

  bool empty() const;
  size_t waiting_tokens() const { return tokens_.size(); }
  // At most half full: a reader that was too slow has caught up.
  bool has_room() const { return tokens_.size() <= capacity_ / 2; }

 private:
  const size_t capacity_;
  std::optional<v1::Admitted> admitted_;
  std::optional<v1::PromptLogprobs> prompt_logprobs_;
  std::deque<v1::Token> tokens_;
  std::optional<v1::Finished> finished_;
};

}  // namespace waferline::rpc
