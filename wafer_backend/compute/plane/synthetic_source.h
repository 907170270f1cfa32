// A text that costs no computing, for models whose weights are not here: sentences about the
// emulated machine, chosen by the request's seed, as tokens of a real tokenizer. A token is a
// function of (seed, position) only. Text that is held to a constraint takes these words where they
// are allowed, a few at a time, and else the short way to its end; how long a real token takes is
// the timing plane's to say. The server marks it as not a model's text.
//
// Owner: server/app. Thread: the engine's; every value is ready at once, the Waker is not needed.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "wafer_backend/api/values.h"

namespace waferline::plane {

class SyntheticSource : public ValueSource {
 public:
  // The sentences as token ids, each beginning as it would after another one; at least one, none
  // empty. `memory` is what memory() returns.
  SyntheticSource(std::vector<std::vector<TokenId>> sentences, std::vector<ShardMemory> memory);

  // The sentences that a caller tokenizes for the constructor.
  static const std::vector<std::string>& Sentences();

  void Prefill(SequenceId id, SequenceSpec spec) override;
  void Activate(SequenceId) override {}
  void Want(SequenceId, uint32_t) override {}
  // kPending beyond max_tokens (one token at least, as every prefill gives one): nothing follows.
  // End ids come only where a constraint asks for them: other sequences end by their length.
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override;
  absl::Status Failure(SequenceId) override { return absl::OkStatus(); }
  const std::vector<TokenValue>* PromptLogprobs(SequenceId id) override;
  void End(SequenceId id) override { sequences_.erase(id); }
  std::vector<ShardMemory> memory() const override { return memory_; }

 private:
  struct SyntheticText {
    SequenceSpec spec;
    std::vector<TokenValue> prompt_logprobs;
    // Where in the text the last Look was: mostly the next one is a token further.
    uint32_t sentence = 0;        // number of the sentence in the text
    uint32_t sentence_start = 0;  // index of its first token
    TokenValue value;
    // With a constraint.
    std::unique_ptr<ConstraintCursor> cursor;
    std::vector<TokenId> tokens;  // so far, those given at the start included; max_tokens at most
    uint32_t words = 0;           // of the sentences, since the last other token
  };
  const std::vector<TokenId>& SentenceAt(const SyntheticText& sequence, uint32_t number) const;
  TokenId TokenAt(SyntheticText* sequence, uint32_t index) const;
  TokenId ConstrainedTokenAt(SyntheticText* sequence, uint32_t index) const;

  const std::vector<std::vector<TokenId>> sentences_;
  const std::vector<ShardMemory> memory_;
  std::unordered_map<SequenceId, SyntheticText> sequences_;
};

}  // namespace waferline::plane
