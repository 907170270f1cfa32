// Prompt lookup: guesses the tokens that followed the previous occurrence of the text's last few
// tokens. Needs no model; good for text that repeats its prompt or itself (Saxena: "Prompt Lookup
// Decoding", 2023).
//
// Cost: O(1) a token, through an index of where each run of kLongest (and kShortest) tokens ended
// last; memory about 100 bytes a token of the sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "wafer_backend/compute/plane/drafter.h"

namespace waferline::plane {

class LookupDrafter : public Drafter {
 public:
  void Draft(std::span<DraftRequest> requests) override;
  void Forget(uint64_t job) override { indexes_.erase(job); }

 private:
  static constexpr size_t kShortest = 2;
  static constexpr size_t kLongest = 3;

  struct Index {
    size_t indexed = 0;  // tokens of the text
    // Hash of a run of tokens to where the text goes on after it; verified when used.
    std::unordered_map<uint64_t, uint32_t> after;
  };
  std::unordered_map<uint64_t, Index> indexes_;
};

}  // namespace waferline::plane
