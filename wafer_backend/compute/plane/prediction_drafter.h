// Guesses what the client predicts (api/prediction.h), for sequences that have a prediction.
//
// Cost: O(log n) a token of the answer.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "wafer_backend/api/prediction.h"
#include "wafer_backend/compute/plane/drafter.h"

namespace waferline::plane {

class PredictionDrafter : public Drafter {
 public:
  void Draft(std::span<DraftRequest> requests) override;
  void Forget(uint64_t job) override { followed_.erase(job); }

 private:
  struct Followed {
    PredictionCursor cursor;
    uint32_t tokens = 0;  // of the answer, that the cursor has seen
  };
  std::unordered_map<uint64_t, Followed> followed_;
};

}  // namespace waferline::plane
