// What one stream still has to say to its client: events go in as the engine makes them, messages
// come out as the transport takes them. Tokens that wait together leave together.
//
// Owner and lock: one stream. No I/O. Bound: `capacity` tokens, after which it is full; the engine
// then holds back, apart from the tokens that were already on their way. Cost: a message that comes
// back to Next gives its tokens' memory to those that follow.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <cstddef>
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
  // An empty token behind the others, to be written before any other call.
  v1::Token* Add() { return tokens_.Add(); }
  // The last event.
  void Finish(v1::Finished finished);

  // Puts what comes next in place of what `message` held; false if there is nothing now.
  bool Next(v1::GenerateResponse* message);

  bool empty() const;
  size_t waiting_tokens() const { return static_cast<size_t>(tokens_.size()); }
  bool full() const { return waiting_tokens() >= capacity_; }
  // At most half full: a reader that was too slow has caught up.
  bool has_room() const { return waiting_tokens() <= capacity_ / 2; }

 private:
  const size_t capacity_;
  std::optional<v1::Admitted> admitted_;
  std::optional<v1::PromptLogprobs> prompt_logprobs_;
  google::protobuf::RepeatedPtrField<v1::Token> tokens_;
  std::optional<v1::Finished> finished_;
};

}  // namespace waferline::rpc
