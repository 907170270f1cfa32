// A text that costs nothing, for models whose weights are not here: sentences about the emulated
// machine, put together by the request's seed and spelled with the tokens of a real tokenizer.
// Which token comes is a function of (seed, position) only; what it costs to compute a real one is
// the timing plane's business. Whoever serves it says that it is not a model's text.
//
// Owner: server/app. Thread: the engine's; every value is ready at once, the Waker is not needed.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "wafer_backend/api/values.h"

namespace waferline::plane {

class CheapSource : public ValueSource {
 public:
  // The sentences as token ids, each beginning as it would after another one; at least one, none
  // empty. `memory` is what memory() will say.
  CheapSource(std::vector<std::vector<TokenId>> sentences, std::vector<ShardMemory> memory);

  // The sentences that a caller tokenizes for the constructor.
  static const std::vector<std::string>& Sentences();

  void Prefill(SequenceId id, SequenceSpec spec) override;
  void Activate(SequenceId) override {}
  void Want(SequenceId, uint32_t) override {}
  // kPending beyond max_tokens (one token at least, as every prefill gives one): nothing follows.
  // End ids never come, so a sequence ends by its length.
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override;
  absl::Status Failure(SequenceId) override { return absl::OkStatus(); }
  const std::vector<TokenValue>* PromptLogprobs(SequenceId id) override;
  void End(SequenceId id) override { sequences_.erase(id); }
  std::vector<ShardMemory> memory() const override { return memory_; }

 private:
  struct Sequence {
    SequenceSpec spec;
    std::vector<TokenValue> prompt_logprobs;
    // Where in the text the last look was: looks mostly go forward by one.
    uint32_t sentence = 0;        // number of the sentence in the text
    uint32_t sentence_start = 0;  // index of its first token
    TokenValue value;
  };
  const std::vector<TokenId>& SentenceAt(const Sequence& sequence, uint32_t number) const;
  TokenId TokenAt(Sequence* sequence, uint32_t index) const;

  const std::vector<std::vector<TokenId>> sentences_;
  const std::vector<ShardMemory> memory_;
  std::unordered_map<SequenceId, Sequence> sequences_;
};

}  // namespace waferline::plane
