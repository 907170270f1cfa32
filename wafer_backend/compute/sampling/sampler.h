// Turns one sequence's logits into its tokens. Owner: the sequence in the compute plane; thread:
// whichever computes for it, one at a time.
//
// Token number i is a pure function of the spec, the text before it and the logits: the random
// number is number i of the stream `spec.seed`, whatever was drawn before it or for other
// sequences. So a sequence that is prefilled again, or verified from a draft, gives the same
// tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "wafer_backend/api/sampling.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/sampling/draw.h"
#include "wafer_backend/compute/sampling/penalties.h"

namespace waferline::sampling {

class Sampler {
 public:
  // `generated`: tokens that were drawn earlier; the next is number generated.size().
  Sampler(SamplingSpec spec, std::span<const TokenId> prompt, std::span<const TokenId> generated);

  // Draws the next token and appends it to the history. `logits`, one row over the vocabulary, is
  // spent: it is cleaned and changed in place.
  TokenValue Next(std::span<float> logits, Workspace* workspace);

  uint32_t next_index() const { return next_; }
  const SamplingSpec& spec() const { return *spec_; }
  // The token ends the sequence (SamplingSpec::end_ids).
  bool Ends(TokenId id) const;

 private:
  std::unique_ptr<const SamplingSpec> spec_;      // at a fixed address: penalties_ looks at it
  std::unique_ptr<ConstraintCursor> constraint_;  // null if there is none
  SeededStream stream_;
  Penalties penalties_;
  uint32_t next_;
};

// Log-probability of `id` and of the `top` most likely tokens under the softmax of `logits`, in
// double, to f32. Cleans `logits` in place. `top` < 0 gives just the id.
TokenValue Logprobs(TokenId id, int32_t top, std::span<float> logits, Workspace* workspace);

}  // namespace waferline::sampling
