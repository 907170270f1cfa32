// What a sequence's own past does to its logits: repetition, frequency and presence penalties, the
// logit bias, and end tokens that may not come yet. Owner and thread: the sequence's sampler.
//
// Order: bias, then repetition, then frequency and presence (as SamplingSpec says). Memory: one
// entry for each different token of prompt and generated text, only if a penalty is set.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "wafer_backend/api/sampling.h"
#include "wafer_backend/base/ids.h"

namespace waferline::sampling {

class Penalties {
 public:
  // `spec` must outlive this. Ids outside the vocabulary are ignored.
  Penalties(const SamplingSpec* spec, std::span<const TokenId> prompt,
            std::span<const TokenId> generated);

  void Append(TokenId generated);

  // True if Apply would change anything for generated token number `index`.
  bool Active(uint32_t index) const;
  // Changes clean logits in place; masked ones become kMasked.
  void Apply(uint32_t index, std::span<float> logits) const;

 private:
  struct Seen {
    bool in_text = false;    // prompt or generated
    uint32_t generated = 0;  // how often
  };
  const SamplingSpec* spec_;
  bool counts_ = false;
  std::unordered_map<TokenId, Seen> seen_;
};

}  // namespace waferline::sampling
