#include "wafer_backend/compute/plane/synthetic_source.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::plane {
namespace {
constexpr uint32_t kMaxWords = 12;  // in one place of a constrained text
}  // namespace

SyntheticSource::SyntheticSource(std::vector<std::vector<TokenId>> sentences,
                                 std::vector<ShardMemory> memory)
    : sentences_(std::move(sentences)), memory_(std::move(memory)) {
  WL_CHECK(!sentences_.empty());
  for (const auto& sentence : sentences_) WL_CHECK(!sentence.empty());
}

const std::vector<std::string>& SyntheticSource::Sentences() {
  static const std::vector<std::string> sentences = {
      " A token enters the first stage and leaves the last one.",
      " The wafer keeps its weights close to the cores that use them.",
      " Every stage hands its activations to its neighbour and takes the next beat.",
      " Nothing waits for memory here: all of it is next to the arithmetic.",
      " The text you read is cheap: it was not computed by a model.",
      " What is real is the time between one word and the next.",
      " Rows of cores pass wavelets to the east and to the west.",
      " A long context makes a beat longer, and a busy link makes a hand-off wait.",
      " When a core is lost, the fabric routes around it.",
      " The scheduler admits a request when every stage has room for its keys and values.",
      " Light crosses the wafer in less than a nanosecond, words take a little longer.",
      " Prompts are read in a pool of their own and then handed over.",
  };
  return sentences;
}

void SyntheticSource::Prefill(SequenceId id, SequenceSpec spec) {
  WL_CHECK(spec.prompt != nullptr && !sequences_.contains(id));
  SyntheticText& sequence = sequences_[id];
  if (spec.sampling.prompt_logprobs) {
    for (size_t i = 1; i < spec.prompt->size(); ++i) {
      sequence.prompt_logprobs.push_back({(*spec.prompt)[i], 0, {}});
    }
  }
  sequence.spec = std::move(spec);
  if (sequence.spec.sampling.constraint == nullptr) return;
  sequence.cursor = sequence.spec.sampling.constraint->Start();
  sequence.tokens = sequence.spec.generated;
  for (const TokenId token : sequence.tokens) sequence.cursor->Append(token);
}

const std::vector<TokenId>& SyntheticSource::SentenceAt(const SyntheticText& sequence,
                                                        uint32_t number) const {
  const SeededStream choices(sequence.spec.sampling.seed);
  return sentences_[choices.At(number) % sentences_.size()];
}

TokenId SyntheticSource::TokenAt(SyntheticText* sequence, uint32_t index) const {
  if (index < sequence->sentence_start) sequence->sentence = sequence->sentence_start = 0;
  while (true) {
    const auto& sentence = SentenceAt(*sequence, sequence->sentence);
    if (index - sequence->sentence_start < sentence.size()) {
      return sentence[index - sequence->sentence_start];
    }
    sequence->sentence_start += static_cast<uint32_t>(sentence.size());
    ++sequence->sentence;
  }
}

TokenId SyntheticSource::ConstrainedTokenAt(SyntheticText* sequence, uint32_t index) const {
  while (sequence->tokens.size() <= index) {
    TokenId id = TokenAt(sequence, static_cast<uint32_t>(sequence->tokens.size()));
    if (sequence->words < kMaxWords && sequence->cursor->Allowed()->Contains(id)) {
      ++sequence->words;
    } else {
      id = sequence->cursor->TowardsEnd();
      sequence->words = 0;
    }
    sequence->cursor->Append(id);
    sequence->tokens.push_back(id);
  }
  return sequence->tokens[index];
}

ValueSource::State SyntheticSource::Look(SequenceId id, uint32_t index, const TokenValue** value) {
  SyntheticText& sequence = sequences_.at(id);
  if (index >= std::max<uint32_t>(sequence.spec.max_tokens, 1)) return State::kPending;
  // The text is certain of itself: log-probability 0.
  sequence.value.id =
      sequence.cursor == nullptr ? TokenAt(&sequence, index) : ConstrainedTokenAt(&sequence, index);
  sequence.value.logprob = 0;
  sequence.value.top.clear();
  if (sequence.spec.sampling.top_logprobs > 0) sequence.value.top = {{sequence.value.id, 0}};
  *value = &sequence.value;
  return State::kReady;
}

const std::vector<TokenValue>* SyntheticSource::PromptLogprobs(SequenceId id) {
  return &sequences_.at(id).prompt_logprobs;
}

}  // namespace waferline::plane
