// How the next token is drawn from the logits of one sequence. A plain value, checked by the codec
// that made it; the ranges here are what the compute plane may rely on.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "wafer_backend/api/constraint.h"
#include "wafer_backend/base/ids.h"

namespace waferline {

// A vector of a prompt, from the rows that the output matrix would get: their mean, in the order of
// the positions, or the last.
enum class PromptVector : uint8_t { kNone, kMean, kLast };

struct SamplingSpec {
  float temperature = 1.0f;  // >= 0; 0 is greedy: the largest logit, the smaller id on a tie
  float top_p = 1.0f;        // (0, 1]
  uint32_t top_k = 0;        // 0: no limit
  float min_p = 0.0f;        // [0, 1], relative to the largest probability

  float repetition_penalty = 1.0f;  // > 0; over prompt and generated tokens (Keskar et al. 2019)
  float frequency_penalty = 0.0f;   // [-2, 2], per occurrence among generated tokens
  float presence_penalty = 0.0f;    // [-2, 2], once for a token that was generated
  std::vector<std::pair<TokenId, float>> logit_bias;  // added before everything else

  // Tokens that end the sequence cannot be drawn before this many were generated.
  uint32_t min_tokens = 0;
  std::vector<TokenId> end_ids;  // end of sequence and stop_token_ids; empty under ignore_eos

  // What the text is held to; none if null. Its end tokens may come where the text may end, and are
  // all that may come once it is complete, whatever min_tokens says.
  std::shared_ptr<const TokenConstraint> constraint;

  // The draw for the token at position p (counted from the first generated one) uses number p of
  // the stream `seed`.
  uint64_t seed = 0;

  int32_t top_logprobs =
      -1;  // -1: none; 0: only the chosen token's; k: also the k most likely (<= 20)
  bool prompt_logprobs = false;  // also for every prompt token after the first (echo with logprobs)
  PromptVector prompt_vector = PromptVector::kNone;
};

}  // namespace waferline
